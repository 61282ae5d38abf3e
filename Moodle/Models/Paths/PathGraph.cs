using System.Collections.Immutable;
using Moodle.Graphs;
using static TorchSharp.torch;

namespace Moodle.Models.Paths;

/// <summary>
/// The training triples and their reciprocals as edges along which messages go: (u, r, v) carries from u to v, and (v, r + |R|, u) back. Each stands once. As every
/// edge has its reciprocal, an entity has as many edges to it as from it, and one list of offsets serves both directions.
/// </summary>
public sealed class PathGraph : IDisposable
{
    private readonly Tensor _keys; // int64 [units], ascending
    private readonly Tensor _units; // int32 [edges]: of each incoming edge
    private readonly Tensor _targets; // int64 [edges], likewise
    private readonly Tensor _degrees; // float64 [|E|]
    private readonly double _meanLogarithm;
    private readonly bool _byPair;

    /// <summary>Lists the edges on a device; what it holds is in no dispose scope.</summary>
    /// <param name="triples">The training triples; duplicates count once.</param>
    /// <param name="entityCount">|E|.</param>
    /// <param name="relationCount">|R|.</param>
    /// <param name="device">Where the network computes.</param>
    /// <param name="byPair">Whether <see cref="Hide"/> hides all edges between two entities, or else a triple and its reciprocal alone.</param>
    public PathGraph(ImmutableArray<Triple> triples, int entityCount, int relationCount, Device device, bool byPair = true)
    {
        (EntityCount, RelationCount, _byPair) = (entityCount, relationCount, byPair);
        // Sorted by target, relation, source, as one number each.
        long relations = 2L * relationCount;
        var keys = triples.SelectMany(triple => new[]
        {
            (((triple.Tail * relations) + triple.Relation) * entityCount) + triple.Head,
            (((triple.Head * relations) + triple.Relation + relationCount) * entityCount) + triple.Tail,
        }).Distinct().ToArray();
        Array.Sort(keys);
        var edges = Array.ConvertAll(keys, key => (Source: (int)(key % entityCount), Relation: (int)(key / entityCount % relations), Target: (int)(key / entityCount / relations)));
        var units = Array.ConvertAll(edges, edge => UnitOf(edge.Source, edge.Relation, edge.Target));
        long[] distinct = [.. units.Distinct().Order()];

        OffsetsOnHost = new int[entityCount + 1];
        foreach (var edge in edges)
        {
            OffsetsOnHost[edge.Target + 1]++;
        }

        for (var entity = 0; entity < entityCount; entity++)
        {
            OffsetsOnHost[entity + 1] += OffsetsOnHost[entity];
        }

        // By target; then the same edges by source, relation, target.
        var incoming = new int[4 * edges.Length];
        for (var i = 0; i < edges.Length; i++)
        {
            var (source, relation, target) = edges[i];
            ReadOnlySpan<int> edge = [source, relation, i - OffsetsOnHost[target], Array.BinarySearch(distinct, units[i])];
            edge.CopyTo(incoming.AsSpan(4 * i));
        }

        var order = Enumerable.Range(0, edges.Length).ToArray();
        Array.Sort(Array.ConvertAll(edges, edge => (((edge.Source * relations) + edge.Relation) * entityCount) + edge.Target), order);
        var outgoing = new int[4 * edges.Length];
        for (var i = 0; i < edges.Length; i++)
        {
            incoming.AsSpan(4 * order[i], 4).CopyTo(outgoing.AsSpan(4 * i));
            (outgoing[4 * i], outgoing[(4 * i) + 2]) = (edges[order[i]].Target, order[i]);
        }

        var degrees = Enumerable.Range(0, entityCount).Select(entity => OffsetsOnHost[entity + 1] - OffsetsOnHost[entity]).ToArray();
        (EdgeCount, UnitCount, MaximalDegree) = (edges.Length, distinct.Length, degrees.DefaultIfEmpty().Max());
        using var scope = NewDisposeScope();
        Tensor Keep(Tensor onHost) => onHost.to(device).DetachFromDisposeScope();
        Offsets = Keep(tensor(OffsetsOnHost));
        Incoming = Keep(tensor(incoming).view(-1, 4));
        Outgoing = Keep(tensor(outgoing).view(-1, 4));
        Pieces = new PathPieces(OffsetsOnHost, device);
        _keys = Keep(tensor(distinct));
        _degrees = Keep(tensor(Array.ConvertAll(degrees, degree => (double)degree)));
        _targets = Keep(tensor(Array.ConvertAll(edges, edge => (long)edge.Target)));
        _units = Incoming.select(1, 3).contiguous().DetachFromDisposeScope();
        _meanLogarithm = Math.Max(degrees.Select(degree => Math.Log(degree + 1)).DefaultIfEmpty().Average(), double.Epsilon);
    }

    /// <summary>|E|.</summary>
    public int EntityCount { get; }

    /// <summary>|R|; edges have relations 0 to 2|R|-1.</summary>
    public int RelationCount { get; }

    /// <summary>Edges, reciprocals counted.</summary>
    public int EdgeCount { get; }

    /// <summary>What can be hidden: pairs of entities between which there are edges (an entity may be a pair with itself), or triples.</summary>
    public int UnitCount { get; }

    /// <summary>Where its tensors are.</summary>
    public Device Device => Offsets.device;

    /// <summary>int32 [|E| + 1]: where the edges of each entity begin, in both lists.</summary>
    internal Tensor Offsets { get; }

    /// <summary>The same numbers.</summary>
    internal int[] OffsetsOnHost { get; }

    /// <summary>int32 [edges, 4], by target, relation and source: source, relation, position among the target's edges, unit.</summary>
    internal Tensor Incoming { get; }

    /// <summary>int32 [edges, 4], by source, relation and target: target, relation, row of <see cref="Incoming"/>, unit.</summary>
    internal Tensor Outgoing { get; }

    /// <summary>How a GPU shares the edges out.</summary>
    internal PathPieces Pieces { get; }

    /// <summary>Most edges to one entity.</summary>
    internal int MaximalDegree { get; }

    /// <summary>
    /// Which edges a batch must not see: a triple that training asks for could be read off the graph. Either all edges between a query's head and an answer are hidden, of
    /// any relation and in both directions, or the triple and its reciprocal. Waits for no device.
    /// </summary>
    /// <param name="heads">int64 [n], on the graph's device.</param>
    /// <param name="relations">int64 [n], 0 to 2|R|-1.</param>
    /// <param name="answers">int64 [n]; what the graph does not have changes nothing.</param>
    /// <returns>uint8 [units], 1 where hidden.</returns>
    public Tensor Hide(Tensor heads, Tensor relations, Tensor answers)
    {
        ArgumentNullException.ThrowIfNull(heads);
        ArgumentNullException.ThrowIfNull(relations);
        ArgumentNullException.ThrowIfNull(answers);
        using var scope = NewDisposeScope();
        // One more than there are units: what is not in the graph goes there.
        var hidden = zeros(UnitCount + 1, ScalarType.Byte, Device);
        if (UnitCount > 0)
        {
            var keys = UnitsOf(heads, relations, answers);
            var found = searchsorted(_keys, keys).clamp_max(UnitCount - 1);
            hidden.index_fill_(0, where(_keys.index_select(0, found).eq(keys), found, full_like(found, UnitCount)), 1);
        }

        return hidden.narrow(0, 0, UnitCount).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// What messages to each entity are multiplied and divided by (Corso et al. 2020): log(degree + 1), the degree counting edges to the entity and 1 the query's own
    /// message, divided by its mean over all entities with nothing hidden. Hidden edges do not count: a degree that is larger than what can be seen would give away who
    /// lost an edge, which in training is the answer.
    /// </summary>
    /// <param name="hidden">What <see cref="Hide"/> returned, or null.</param>
    internal PathScales Scales(Tensor? hidden)
    {
        using var scope = NewDisposeScope();
        var degrees = hidden is null ? _degrees : _degrees.index_add(0, _targets, hidden.index_select(0, _units).to(ScalarType.Float64), -1);
        var scale = degrees.log1p().div_(_meanLogarithm).to(ScalarType.Float32);
        return new(scale.MoveToOuterDisposeScope(), scale.clamp_min(0.01).reciprocal_().MoveToOuterDisposeScope());
    }

    // One number for what is hidden together: smaller entity * |E| + larger, or (head * |R| + relation) * |E| + tail of the triple that the edge or its reciprocal stands for.
    private long UnitOf(int source, int relation, int target)
    {
        if (_byPair)
        {
            return ((long)Math.Min(source, target) * EntityCount) + Math.Max(source, target);
        }

        var (head, tail) = relation < RelationCount ? (source, target) : (target, source);
        return ((((long)head * RelationCount) + (relation % RelationCount)) * EntityCount) + tail;
    }

    // The same on the device.
    private Tensor UnitsOf(Tensor sources, Tensor relations, Tensor targets)
    {
        if (_byPair)
        {
            return (minimum(sources, targets) * (long)EntityCount) + maximum(sources, targets);
        }

        var forward = relations.lt(RelationCount);
        return (((where(forward, sources, targets) * (long)RelationCount) + relations.remainder(RelationCount)) * (long)EntityCount) + where(forward, targets, sources);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in (Tensor[])[Offsets, Incoming, Outgoing, _keys, _units, _targets, _degrees])
        {
            tensor.Dispose();
        }

        Pieces.Dispose();
    }
}

/// <summary>Numbers that multiply messages, [|E|] float32 each.</summary>
/// <param name="Scale">s.</param>
/// <param name="Inverse">1 / s, at most 100.</param>
internal sealed record PathScales(Tensor Scale, Tensor Inverse);
