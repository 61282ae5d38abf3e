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
        Divide(graph, config.Fusion.Enabled && config.Modalities.Count > 1 ? config.Fusion.HoldOut : 0, config.Seed);

    /// <summary>
    /// Draws the held-out triples by seed. All triples between the same two entities stay together, so that an inverse or symmetric fact does
    /// not tell; and no entity or relation loses its last triple.
    /// </summary>
    /// <param name="graph">The graph.</param>
    /// <param name="share">The share of training triples to hold out; 0 gives the whole training split to both.</param>
    /// <param name="seed">The run's seed.</param>
    public static (ImmutableArray<Triple> Branches, ImmutableArray<Triple> Fusion) Divide(KnowledgeGraph graph, double share, int seed)
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

        var pairs = graph.Train.GroupBy(triple => (Math.Min(triple.Head, triple.Tail), Math.Max(triple.Head, triple.Tail))).Select(pair => pair.ToArray()).ToArray();
        new SplitMix64((ulong)seed).Shuffle<Triple[]>(pairs);
        var held = new HashSet<Triple>();
        var (wanted, count) = (share * graph.Train.Length, 0);
        foreach (var pair in pairs)
        {
            if (count >= wanted)
            {
                break;
            }

            var (head, _, tail) = pair[0];
            if (entities[head] > pair.Length && entities[tail] > pair.Length && pair.CountBy(triple => triple.Relation).All(used => relations[used.Key] > used.Value))
            {
                foreach (var triple in pair)
                {
                    entities[triple.Head]--;
                    entities[triple.Tail]--;
                    relations[triple.Relation]--;
                    held.Add(triple);
                }

                count += pair.Length;
            }
        }

        // Where nothing can be spared there is nothing to hold out.
        return held.Count == 0
            ? (graph.Train, graph.Train)
            : ([.. graph.Train.Where(triple => !held.Contains(triple))], [.. graph.Train.Where(held.Contains)]);
    }
}
