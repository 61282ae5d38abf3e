using System.Collections.Immutable;
using Moodle.Configuration;
using Moodle.Graphs;
using Moodle.Runtime;

namespace Moodle.Training;

/// <summary>
/// Divides the training triples: most for the branches, some for the fusion. A fusion that learns from triples which the branches know by
/// heart trusts the branch that memorises best; on triples that they have not seen it learns whom to trust on new ones.
/// </summary>
internal static class HoldOut
{
    /// <summary>Divides as a run of this configuration does; without a fusion nothing is held out.</summary>
    public static (ImmutableArray<Triple> Branches, ImmutableArray<Triple> Fusion) Divide(KnowledgeGraph graph, MoodleConfig config) =>
        Divide(graph, config.HasFusion() ? config.Fusion.HoldOut : 0, config.Fusion.HoldOutBy, config.Seed);

    /// <summary>Draws the held-out triples by seed; no entity or relation loses its last triple.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="share">The share of training triples to hold out; 0 gives the whole training split to both.</param>
    /// <param name="unit">What stays together.</param>
    /// <param name="seed">The run's seed.</param>
    public static (ImmutableArray<Triple> Branches, ImmutableArray<Triple> Fusion) Divide(KnowledgeGraph graph, double share, HoldOutUnit unit, int seed)
    {
        if (share <= 0)
        {
            return (graph.Train, graph.Train);
        }

        var (entities, relations) = (new int[graph.Entities.Count], new int[graph.Relations.Count]);
        foreach (var (head, relation, tail) in graph.Train)
        {
            entities[head]++;
            entities[tail]++;
            relations[relation]++;
        }

        var byPair = ByPair(graph);
        var together = IsByPair(graph, byPair, unit)
            ? byPair
            : [.. graph.Train.GroupBy(triple => triple).Select(same => same.ToArray())];
        new SplitMix64((ulong)seed).Shuffle<Triple[]>(together);
        var held = new HashSet<Triple>();
        var (wanted, count) = (share * graph.Train.Length, 0);
        foreach (var triples in together)
        {
            if (count >= wanted)
            {
                break;
            }

            var (head, _, tail) = triples[0];
            if (entities[head] > triples.Length && entities[tail] > triples.Length && triples.CountBy(triple => triple.Relation).All(used => relations[used.Key] > used.Value))
            {
                foreach (var triple in triples)
                {
                    entities[triple.Head]--;
                    entities[triple.Tail]--;
                    relations[triple.Relation]--;
                    held.Add(triple);
                }

                count += triples.Length;
            }
        }

        // Where nothing can be spared there is nothing to hold out.
        return held.Count == 0
            ? (graph.Train, graph.Train)
            : ([.. graph.Train.Where(triple => !held.Contains(triple))], [.. graph.Train.Where(held.Contains)]);
    }

    /// <summary>Whether a unit stands for all triples between two entities in a graph, and not for every triple by itself.</summary>
    public static bool IsByPair(KnowledgeGraph graph, HoldOutUnit unit) => IsByPair(graph, ByPair(graph), unit);

    private static bool IsByPair(KnowledgeGraph graph, Triple[][] byPair, HoldOutUnit unit) => unit == HoldOutUnit.Pair || (unit == HoldOutUnit.Auto && !LinksTell(graph, byPair));

    private static Triple[][] ByPair(KnowledgeGraph graph) => [.. graph.Train.GroupBy(Ends).Select(pair => pair.ToArray())];

    private static (int, int) Ends(Triple triple) => (Math.Min(triple.Head, triple.Tail), Math.Max(triple.Head, triple.Tail));

    // Whether other triples between the same ends help with validation as they do with training triples.
    private static bool LinksTell(KnowledgeGraph graph, Triple[][] byPair)
    {
        var linked = byPair.Select(pair => Ends(pair[0])).ToHashSet();
        var ofValidation = graph.Validation.Count(triple => linked.Contains(Ends(triple))) / Math.Max(1.0, graph.Validation.Length);
        var ofTraining = byPair.Where(pair => pair.Length > 1).Sum(pair => pair.Length) / Math.Max(1.0, graph.Train.Length);
        return ofTraining > 0 && ofValidation >= ofTraining / 2;
    }
}
