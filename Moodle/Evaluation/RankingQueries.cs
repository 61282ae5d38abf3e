using System.Collections.Immutable;
using Moodle.Graphs;

namespace Moodle.Evaluation;

/// <summary>
/// The distinct queries behind a list of triples, both sides, ordered by relation and entity. Each keeps the slots that it answers
/// (slot 2·i is the tail of triple i, 2·i + 1 its head), so that one row of logits serves them all.
/// </summary>
internal sealed class RankingQueries
{
    private readonly int[] _starts;
    private readonly int[] _slots;
    private readonly ImmutableArray<Triple> _triples;

    /// <summary>Groups the queries of both sides.</summary>
    /// <param name="triples">Triples; duplicates keep a slot each.</param>
    /// <param name="entityCount">|E|.</param>
    /// <param name="relationCount">|R|, without reciprocals.</param>
    internal RankingQueries(ImmutableArray<Triple> triples, int entityCount, int relationCount)
    {
        (_triples, EntityCount) = (triples, entityCount);
        var keys = new long[checked(2 * triples.Length)];
        _slots = new int[keys.Length];
        for (var i = 0; i < triples.Length; i++)
        {
            var (head, relation, tail) = triples[i];
            if ((uint)head >= entityCount || (uint)tail >= entityCount || (uint)relation >= relationCount)
            {
                throw new ArgumentException($"triple {i} is {triples[i]}, but the scorer knows {entityCount} entities and {relationCount} relations", nameof(triples));
            }

            keys[2 * i] = (long)relation * entityCount + head;
            keys[2 * i + 1] = (long)(relation + relationCount) * entityCount + tail;
            (_slots[2 * i], _slots[2 * i + 1]) = (2 * i, 2 * i + 1);
        }

        Array.Sort(keys, _slots);
        List<long> entities = [], relations = [];
        List<int> starts = [];
        for (var i = 0; i < keys.Length; i++)
        {
            if (i == 0 || keys[i] != keys[i - 1])
            {
                entities.Add(keys[i] % entityCount);
                relations.Add(keys[i] / entityCount);
                starts.Add(i);
            }
        }

        starts.Add(keys.Length);
        _starts = [.. starts];
        Entities = [.. entities];
        Relations = [.. relations];
    }

    /// <summary>|E|.</summary>
    internal int EntityCount { get; }

    /// <summary>The number of distinct queries.</summary>
    internal int Count => Entities.Length;

    /// <summary>The entity of each query.</summary>
    internal long[] Entities { get; }

    /// <summary>The relation of each query, 0 to 2|R|-1.</summary>
    internal long[] Relations { get; }

    /// <summary>The slots that a query answers.</summary>
    internal ReadOnlySpan<int> SlotsOf(int query) => _slots.AsSpan(_starts[query], _starts[query + 1] - _starts[query]);

    /// <summary>The entity that a slot asks for.</summary>
    internal int GoldOf(int slot) => slot % 2 == (int)QuerySide.Tail ? _triples[slot / 2].Tail : _triples[slot / 2].Head;
}
