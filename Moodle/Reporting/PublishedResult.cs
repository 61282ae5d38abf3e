using System.Collections.Immutable;
using System.Globalization;
using CsvHelper;
using Moodle.Graphs;

namespace Moodle.Reporting;

/// <summary>What others published for the same triples. Figures are shares from 0 to 1, null where none was given.</summary>
/// <param name="Model">The model.</param>
/// <param name="Uses">The modalities that it uses.</param>
/// <param name="Mrr">MRR.</param>
/// <param name="HitsAt1">Hits@1.</param>
/// <param name="HitsAt3">Hits@3.</param>
/// <param name="HitsAt10">Hits@10.</param>
/// <param name="Source">Where it stands.</param>
/// <param name="Comparable">Whether split and ranks are like ours, and why not.</param>
internal sealed record PublishedResult(
    string Model, string Uses, double? Mrr, double? HitsAt1, double? HitsAt3, double? HitsAt10, string Source, string Comparable)
{
    // Entities, training, validation and test triples: what a data set's folder is called says nothing.
    private static readonly Dictionary<(int Entities, int Train, int Validation, int Test), string> s_dataSets = new()
    {
        [(14541, 272115, 17535, 20466)] = "fb15k-237",
        [(40943, 141442, 5000, 5000)] = "wn18",
        [(12842, 79222, 9904, 9902)] = "db15k",
        [(12842, 75261, 4034, 9902)] = "db15k", // cleaned: test is the same
        [(15000, 34196, 4276, 4274)] = "mkg-w",
        [(15000, 21310, 2665, 2663)] = "mkg-y",
    };

    /// <summary>What is known for a graph, recognised by its size; empty for any other.</summary>
    public static ImmutableArray<PublishedResult> For(KnowledgeGraph graph) => For((graph.Entities.Count, graph.Train.Length, graph.Validation.Length, graph.Test.Length));

    /// <summary>What is known for a data set of this size.</summary>
    internal static ImmutableArray<PublishedResult> For((int Entities, int Train, int Validation, int Test) size)
    {
        if (!s_dataSets.TryGetValue(size, out var name))
        {
            return [];
        }

        using var csv = new CsvReader(new StringReader(Assets.Text("published.csv")), CultureInfo.InvariantCulture);
        csv.Read();
        csv.ReadHeader();
        var found = new List<PublishedResult>();
        while (csv.Read())
        {
            if (csv["data_set"] == name)
            {
                found.Add(new(csv["model"]!, csv["uses"]!, Number("mrr"), Number("hits_at_1"), Number("hits_at_3"), Number("hits_at_10"), csv["source"]!, csv["comparable"]!));
            }
        }

        return [.. found];

        double? Number(string column) => csv[column] is { Length: > 0 } text ? double.Parse(text, CultureInfo.InvariantCulture) : null;
    }
}
