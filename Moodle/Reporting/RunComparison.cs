using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Moodle.Configuration;
using Moodle.Evaluation;
using Moodle.Graphs;

namespace Moodle.Reporting;

/// <summary>Several runs on the same test triples; the first one is what the others are held against.</summary>
/// <param name="Runs">The runs.</param>
/// <param name="Keys">Keys of the configuration whose values differ, with the value of every run: what an ablation table shows.</param>
/// <param name="Relations">MRR of every run by relation.</param>
internal sealed record RunComparison(ImmutableArray<ComparedRun> Runs, ImmutableArray<ComparedKey> Keys, ImmutableArray<ComparedRelation> Relations)
{
    /// <summary>Samples of the paired bootstrap.</summary>
    public const int Samples = 2000;

    /// <summary>Compares runs.</summary>
    /// <exception cref="InputException">They were not tested on the same triples.</exception>
    public static RunComparison Of(IReadOnlyList<ComparisonInput> inputs)
    {
        var first = inputs[0];
        if (inputs.FirstOrDefault(input => input.TestHash != first.TestHash) is { } other)
        {
            throw new InputException($"{other.Path}: was tested on other triples than {first.Path}; only runs on the same data set can be compared");
        }

        var names = new HashSet<string>();
        ImmutableArray<ComparedRun> runs = [.. inputs.Select((input, i) => new ComparedRun(
            UniqueName(input.Report.Head.Name, names), input.Report,
            i == 0 ? null : PairedBootstrap.Compare(first.ReciprocalRanks, input.ReciprocalRanks, Samples, SplitEvaluation.Seed)))];
        var keys = inputs.Select(input => ConfigLoader.KeysOf(input.Config).ToArray()).ToArray();
        return new RunComparison(
            runs,
            [.. Enumerable.Range(0, keys[0].Length).Select(k => new ComparedKey(keys[0][k].Path, [.. keys.Select(of => of[k].Default)])).Where(key => key.Values.Distinct().Count() > 1)],
            [.. first.Report.Model.Relations.Select((relation, r) => new ComparedRelation(
                relation.Relation, relation.Name, relation.Category, relation.Metrics.Both.Count,
                [.. inputs.Select(input => input.Report.Model.Relations.First(same => same.Relation == relation.Relation).Metrics.Both.Mrr)]))]);
    }

    private static string UniqueName(string name, HashSet<string> taken)
    {
        var unique = name;
        for (var number = 2; !taken.Add(unique); number++)
        {
            unique = FormattableString.Invariant($"{name} ({number})");
        }

        return unique;
    }
}

/// <summary>What a comparison needs of a run, so that its model can go before the next one is loaded.</summary>
/// <param name="Path">The run's folder.</param>
/// <param name="Report">Its report.</param>
/// <param name="Config">Its configuration.</param>
/// <param name="ReciprocalRanks">By triple, of the branch that stands for the model.</param>
/// <param name="TestHash">Tells other test triples, or another order, apart.</param>
internal sealed record ComparisonInput(string Path, RunReport Report, MoodleConfig Config, ImmutableArray<double> ReciprocalRanks, string TestHash)
{
    /// <summary>A hash of a graph's test triples by label.</summary>
    public static string HashOf(KnowledgeGraph graph)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (head, relation, tail) in graph.Test)
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{graph.Entities[head]}\t{graph.Relations[relation]}\t{graph.Entities[tail]}\n"));
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }
}

/// <summary>A run among others.</summary>
/// <param name="Name">The name of its folder, made unique.</param>
/// <param name="Report">Its report.</param>
/// <param name="Difference">How its MRR differs from the first run's; null for the first.</param>
internal sealed record ComparedRun(string Name, RunReport Report, MrrDifference? Difference);

/// <summary>A key of the configuration with the value of every run.</summary>
internal sealed record ComparedKey(string Key, ImmutableArray<string> Values);

/// <summary>MRR of every run on a relation, both sides, by the branch that stands for the model.</summary>
internal sealed record ComparedRelation(string Relation, string Name, RelationCategory Category, long Queries, ImmutableArray<double> Mrr);
