using System.Collections.Immutable;
using Moodle.Evaluation;
using Moodle.Graphs;
using Moodle.Runtime;

namespace Moodle.Reporting;

/// <summary>Decides which test queries a report shows.</summary>
internal static class ExampleChoice
{
    /// <summary>Wins and losses, each.</summary>
    public const int Extremes = 10;

    /// <summary>Relations of which a triple is shown.</summary>
    public const int Relations = 10;

    /// <summary>Chooses: a triple of each of the most frequent relations, the largest wins and losses of the first branch against the best other, and random ones.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="count">How many in all, at most.</param>
    /// <param name="seed">Of the random ones.</param>
    /// <returns>Distinct queries, each once, by kind.</returns>
    public static ImmutableArray<(ExampleKind Kind, int Triple, QuerySide Side)> Of(SplitRanks ranks, int count, int seed)
    {
        var chosen = new Dictionary<(Triple Triple, QuerySide Side), (ExampleKind Kind, int Triple, QuerySide Side)>();
        void Add(ExampleKind kind, int triple, QuerySide side)
        {
            if (chosen.Count < count)
            {
                chosen.TryAdd((ranks.Triples[triple], side), (kind, triple, side));
            }
        }

        if (ranks.Branches.Length > 1)
        {
            var gains = RankAnalysis.Queries(ranks).Select(query => (query.Triple, query.Side, Gain: Gain(ranks, query.Triple, query.Side))).ToArray();
            foreach (var (triple, side, _) in gains.Where(query => query.Gain > 0).OrderByDescending(query => query.Gain).Take(Extremes))
            {
                Add(ExampleKind.Win, triple, side);
            }

            foreach (var (triple, side, _) in gains.Where(query => query.Gain < 0).OrderBy(query => query.Gain).Take(Extremes))
            {
                Add(ExampleKind.Loss, triple, side);
            }
        }

        foreach (var relation in Enumerable.Range(0, ranks.Triples.Length).GroupBy(triple => ranks.Triples[triple].Relation).OrderByDescending(group => group.Count()).Take(Relations))
        {
            Add(ExampleKind.Chosen, relation.First(), QuerySide.Tail);
        }

        var order = Enumerable.Range(0, 2 * ranks.Triples.Length).ToArray();
        new SplitMix64((ulong)seed).Shuffle(order);
        foreach (var slot in order)
        {
            Add(ExampleKind.Random, slot / 2, (QuerySide)(slot % 2));
        }

        return [.. chosen.Values.OrderBy(entry => entry.Kind)];
    }

    /// <summary>Reciprocal rank by the first branch less the best reciprocal rank of the others.</summary>
    private static double Gain(SplitRanks ranks, int triple, QuerySide side) => (1 / ranks[0, triple, side].Realistic)
        - Enumerable.Range(1, ranks.Branches.Length - 1).Max(branch => 1 / ranks[branch, triple, side].Realistic);
}
