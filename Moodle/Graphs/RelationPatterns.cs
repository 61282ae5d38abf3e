using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Moodle.Graphs;

/// <summary>How a relation's pairs come back elsewhere.</summary>
public enum PatternKind
{
    /// <summary>Its pairs stand in itself, reversed.</summary>
    Symmetric,

    /// <summary>Its pairs stand in another relation, reversed.</summary>
    Inverse,

    /// <summary>Its pairs stand in another relation.</summary>
    Duplicate,
}

/// <summary>Most pairs of a relation come back, in itself or in another.</summary>
/// <param name="Kind">How.</param>
/// <param name="Relation">The label of the relation.</param>
/// <param name="Other">The label of the relation that its pairs stand in; the same one where it is symmetric.</param>
/// <param name="Share">The share of its distinct pairs that do.</param>
/// <param name="ShareOfOther">The same share, seen from the other relation.</param>
/// <param name="Pairs">The number of its distinct pairs.</param>
public sealed record RelationPattern(PatternKind Kind, string Relation, string Other, double Share, double ShareOfOther, int Pairs);

/// <summary>Finds relations that are symmetric, or that another relation inverts or repeats.</summary>
public static class RelationPatterns
{
    /// <summary>Shares above this are reported.</summary>
    public const double Threshold = 0.8;

    /// <summary>
    /// The patterns among the training triples, pairs of an entity with itself left out; the highest shares first. Two relations
    /// are reported once, seen from the one with the higher share.
    /// </summary>
    public static ImmutableArray<RelationPattern> Find(KnowledgeGraph graph)
    {
        // Relations by pair, so that only relations that truly share a pair are ever compared.
        var relationsOf = new Dictionary<(int Head, int Tail), List<int>>();
        var sizes = new int[graph.Relations.Count];
        foreach (var triple in graph.Train.Where(triple => triple.Head != triple.Tail).Distinct())
        {
            (CollectionsMarshal.GetValueRefOrAddDefault(relationsOf, (triple.Head, triple.Tail), out _) ??= []).Add(triple.Relation);
            sizes[triple.Relation]++;
        }

        var forward = new Dictionary<(int, int), int>();
        var reversed = new Dictionary<(int, int), int>();
        foreach (var (pair, relations) in relationsOf)
        {
            Count(forward, relations, relations);
            if (relationsOf.TryGetValue((pair.Tail, pair.Head), out var back))
            {
                Count(reversed, relations, back);
            }
        }

        return [.. Report(forward, same: PatternKind.Duplicate, PatternKind.Duplicate).Where(pattern => pattern.Relation != pattern.Other)
            .Concat(Report(reversed, same: PatternKind.Symmetric, PatternKind.Inverse))
            .OrderByDescending(pattern => pattern.Share + pattern.ShareOfOther).ThenByDescending(pattern => pattern.Pairs)
            .ThenBy(pattern => pattern.Relation, StringComparer.Ordinal).ThenBy(pattern => pattern.Other, StringComparer.Ordinal)];

        IEnumerable<RelationPattern> Report(Dictionary<(int, int), int> counts, PatternKind same, PatternKind others)
        {
            foreach (var ((a, b), count) in counts)
            {
                // Counts are the same from both sides, so each couple is looked at once, from the relation with fewer pairs.
                var share = (double)count / sizes[a];
                if ((sizes[a], a).CompareTo((sizes[b], b)) <= 0 && share > Threshold)
                {
                    yield return new RelationPattern(a == b ? same : others, graph.Relations[a], graph.Relations[b], share, (double)count / sizes[b], sizes[a]);
                }
            }
        }
    }

    private static void Count(Dictionary<(int, int), int> counts, List<int> relations, List<int> others)
    {
        foreach (var relation in relations)
        {
            foreach (var other in others)
            {
                CollectionsMarshal.GetValueRefOrAddDefault(counts, (relation, other), out _)++;
            }
        }
    }
}
