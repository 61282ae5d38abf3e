using System.Collections.Immutable;
using Moodle.Evaluation;
using Moodle.Graphs;

namespace Moodle.Reporting;

/// <summary>What ranks say beyond their means.</summary>
internal static class RankAnalysis
{
    private static readonly QuerySide[] s_sides = [QuerySide.Tail, QuerySide.Head];

    /// <summary>How the ranks of every branch spread.</summary>
    public static ImmutableArray<RankDistribution> Distributions(SplitRanks ranks) => [.. ranks.Branches.Select((name, branch) =>
    {
        var counts = new long[RankBins.Names.Count];
        foreach (var (triple, side) in Queries(ranks))
        {
            counts[RankBins.Of(ranks[branch, triple, side].Realistic)]++;
        }

        return new RankDistribution(name, [.. counts]);
    })];

    /// <summary>What the first branch changed for each other.</summary>
    public static ImmutableArray<FusionEffect> FusionEffects(SplitRanks ranks) => [.. ranks.Branches.Skip(1).Select((name, b) =>
    {
        long repaired = 0, spoiled = 0, right = 0, wrong = 0;
        foreach (var (triple, side) in Queries(ranks))
        {
            switch (ranks[0, triple, side].Realistic <= 1, ranks[b + 1, triple, side].Realistic <= 1)
            {
                case (true, false): repaired++; break;
                case (false, true): spoiled++; break;
                case (true, true): right++; break;
                default: wrong++; break;
            }
        }

        return new FusionEffect(name, repaired, spoiled, right, wrong);
    })];

    /// <summary>Ranks by which ends have a picture; empty where no entity has one.</summary>
    public static ImmutableArray<QueryGroup> ByPictures(SplitRanks ranks, KnowledgeGraph graph)
    {
        bool Has(int entity) => graph.Images[entity].Length > 0;
        string[] names = ["both ends have a picture", "the known end alone", "the asked end alone", "neither end"];
        return graph.Images.All(images => images.IsEmpty) ? [] : Groups(ranks, names, (given, gold) => (Has(given) ? 0 : 2) + (Has(gold) ? 0 : 1));
    }

    /// <summary>Ranks by the words that the asked-for entity's description has: quarters of the queries; empty where there are no descriptions.</summary>
    public static ImmutableArray<QueryGroup> ByTextLength(SplitRanks ranks, KnowledgeGraph graph)
    {
        if (graph.Descriptions.All(text => text is null))
        {
            return [];
        }

        var words = graph.Descriptions.Select(text => text?.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length ?? 0).ToArray();
        var lengths = Queries(ranks).Select(query => words[Ends(ranks.Triples[query.Triple], query.Side).Gold]).Where(length => length > 0).Order().ToArray();
        int[] ends = lengths.Length == 0 ? [] : [.. new[] { 0.25, 0.5, 0.75, 1 }.Select(q => lengths[(int)(q * (lengths.Length - 1))]).Distinct()];
        string[] names = ["no description", .. ends.Select((end, i) => FormattableString.Invariant($"{(i == 0 ? 1 : ends[i - 1] + 1)}–{end} words"))];
        return Groups(ranks, names, (_, gold) => words[gold] == 0 ? 0 : 1 + Array.FindIndex(ends, end => words[gold] <= end));
    }

    /// <summary>The known end and the right answer of a query.</summary>
    public static (int Given, int Gold) Ends(Triple triple, QuerySide side) => side == QuerySide.Tail ? (triple.Head, triple.Tail) : (triple.Tail, triple.Head);

    /// <summary>All queries behind ranks, tails first.</summary>
    public static IEnumerable<(int Triple, QuerySide Side)> Queries(SplitRanks ranks) =>
        from triple in Enumerable.Range(0, ranks.Triples.Length) from side in s_sides select (triple, side);

    private static ImmutableArray<QueryGroup> Groups(SplitRanks ranks, string[] names, Func<int, int, int> groupOf)
    {
        var members = names.Select(_ => new List<(int Triple, QuerySide Side)>()).ToArray();
        foreach (var (triple, side) in Queries(ranks))
        {
            var (given, gold) = Ends(ranks.Triples[triple], side);
            members[groupOf(given, gold)].Add((triple, side));
        }

        return [.. names.Zip(members).Where(group => group.Second.Count > 0).Select(group =>
        {
            var byBranch = Enumerable.Range(0, ranks.Branches.Length)
                .Select(branch => group.Second.Select(query => ranks[branch, query.Triple, query.Side].Realistic).Order().ToArray()).ToArray();
            return new QueryGroup(group.First, group.Second.Count, [.. byBranch.Select(list => list.Average(rank => 1 / rank))], [.. byBranch.Select(list => list[(list.Length - 1) / 2])]);
        })];
    }
}
