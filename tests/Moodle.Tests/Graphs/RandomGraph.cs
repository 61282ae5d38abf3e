using System.Collections.Immutable;
using Moodle.Graphs;

namespace Moodle.Tests.Graphs;

/// <summary>Seeded random triples with many repetitions.</summary>
internal static class RandomGraph
{
    public static ImmutableArray<Triple> Triples(int seed, int entities, int relations, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => new Triple(random.Next(entities), random.Next(relations), random.Next(entities)))];
    }
}
