using System.Globalization;
using CsvHelper;
using Moodle.Graphs;
using Moodle.Runtime;

namespace Moodle.Evaluation;

/// <summary>
/// Ranks as CSV (tab separated where the file ends in <c>.tsv</c>): a row for each triple, side (tail, then head) and branch, in the order of the split's file, with labels as they stand in the
/// data set. Columns: head, relation, tail, side, branch, rank_optimistic, rank_pessimistic, rank_realistic, candidates.
/// </summary>
public static class RanksFile
{
    private static readonly string[] Columns =
        ["head", "relation", "tail", "side", "branch", "rank_optimistic", "rank_pessimistic", "rank_realistic", "candidates"];

    /// <summary>Writes the file beside its place and renames it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="ranks">The ranks.</param>
    /// <param name="graph">The graph whose labels are written.</param>
    public static void Write(string path, SplitRanks ranks, KnowledgeGraph graph) => AtomicFile.Write(path, stream =>
    {
        using var csv = new CsvWriter(new StreamWriter(stream, leaveOpen: true), CsvFormat.For(path));
        foreach (var column in Columns)
        {
            csv.WriteField(column);
        }

        csv.NextRecord();
        for (var triple = 0; triple < ranks.Triples.Length; triple++)
        {
            foreach (var side in (ReadOnlySpan<QuerySide>)[QuerySide.Tail, QuerySide.Head])
            {
                for (var branch = 0; branch < ranks.Branches.Length; branch++)
                {
                    WriteRow(csv, graph, ranks.Triples[triple], side, ranks.Branches[branch], ranks[branch, triple, side]);
                }
            }
        }
    });

    private static void WriteRow(CsvWriter csv, KnowledgeGraph graph, Triple triple, QuerySide side, string branch, Rank rank)
    {
        csv.WriteField(graph.Entities[triple.Head]);
        csv.WriteField(graph.Relations[triple.Relation]);
        csv.WriteField(graph.Entities[triple.Tail]);
        csv.WriteField(side == QuerySide.Tail ? "tail" : "head");
        csv.WriteField(branch);
        csv.WriteField(rank.Optimistic);
        csv.WriteField(rank.Pessimistic);
        csv.WriteField(rank.Realistic.ToString(CultureInfo.InvariantCulture));
        csv.WriteField(rank.Candidates);
        csv.NextRecord();
    }
}
