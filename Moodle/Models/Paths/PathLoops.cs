using System.Buffers;
using System.Numerics;
using System.Runtime.InteropServices;
using Moodle.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Models.Paths;

/// <summary>
/// <see cref="PathAggregation"/> of float32 on a CPU: no message is ever written to memory. Columns, the numbers of an entity's states for all queries, do not depend on each
/// other: a thread takes a few of them for all entities, whose rows cut to these columns stay in its cache, and no two threads write to one place. What comes out depends
/// neither on their number nor on their order.
/// </summary>
internal sealed unsafe class PathLoops
{
    // Vectors of columns that a thread takes at a time.
    private const int Span = 4;

    // What the gradient needs of a target: level, slope, the gradients of maximum and minimum, and where these come from, a vector each.
    private const int Kept = 6;
    private const int OwnMessage = -1;
    private const int SilentEdge = -2; // one of those that brought a zero which takes no gradient
    private static readonly int s_width = Vector<float>.Count;

    private readonly int* _offsets;
    private readonly Edge* _incoming;
    private readonly Edge* _outgoing;
    private readonly byte* _hidden;
    private readonly long* _heads;
    private readonly bool _atHeads;
    private readonly int _entities;
    private readonly int _mostEdges;
    private readonly int _size;
    private readonly nint _columns;

    private PathLoops(PathEdges edges, Tensor states)
    {
        var graph = edges.Graph;
        (_atHeads, _entities, _mostEdges, _size) = (edges.AtHeads, graph.EntityCount, graph.MaximalDegree, (int)states.shape[2]);
        _offsets = (int*)graph.Offsets.Address();
        _incoming = (Edge*)graph.Incoming.Address();
        _outgoing = (Edge*)graph.Outgoing.Address();
        _hidden = edges.Hidden is null ? null : (byte*)edges.Hidden.Address();
        _heads = (long*)edges.Heads.Address();
        _columns = (nint)states.shape[1] * _size;
    }

    /// <summary>Whether the loops can take states.</summary>
    public static bool Fit(Tensor states) => states.device_type == DeviceType.CPU && states.dtype == ScalarType.Float32;

    /// <summary>Aggregates; positions are int32, -1 where a query's own message was highest or lowest.</summary>
    public static PathMessages Forward(Tensor states, Tensor relations, Tensor queries, PathEdges edges)
    {
        using var none = no_grad();
        using var scope = NewDisposeScope();
        var size = states.shape[2];
        (states, relations, queries) = (Widened(states, 1), Widened(relations, 1), Widened(queries, 1));
        var output = empty([states.shape[0], states.shape[1], 4 * states.shape[2]]);
        var highest = empty(states.shape, ScalarType.Int32);
        var lowest = empty_like(highest);
        var counts = empty([states.shape[0]]);
        var loops = new PathLoops(edges, states);
        var (h, w, q, to) = (states.Address(), relations.Address(), queries.Address(), output.Address());
        var (atHigh, atLow, seen) = (highest.Address(), lowest.Address(), counts.Address());
        loops.ForEachSpan((span, visible, asked) => loops.Forward(span, visible, asked, (float*)h, (float*)w, (float*)q, (float*)to, (int*)atHigh, (int*)atLow, (float*)seen));
        GC.KeepAlive((states, relations, queries, edges));
        return new(
            Narrowed(output, 4, size).MoveToOuterDisposeScope(), Narrowed(highest, 1, size).MoveToOuterDisposeScope(), Narrowed(lowest, 1, size).MoveToOuterDisposeScope(),
            counts.MoveToOuterDisposeScope());
    }

    /// <summary>The gradients of states, relations and queries.</summary>
    public static (Tensor States, Tensor Relations, Tensor Queries) Backward(
        Tensor gradient, Tensor states, Tensor relations, Tensor queries, PathMessages result, PathEdges edges)
    {
        using var none = no_grad();
        using var scope = NewDisposeScope();
        var size = states.shape[2];
        // Columns that were added may get any gradient: they are left out of what is returned.
        (states, relations, queries, gradient) = (Widened(states, 1), Widened(relations, 1), Widened(queries, 1), Widened(gradient, 4));
        result = new(Widened(result.Output, 4), Widened(result.Highest, 1), Widened(result.Lowest, 1), result.Counts);
        var (toStates, toRelations, toQueries) = (empty_like(states), zeros_like(relations), empty_like(queries));
        var loops = new PathLoops(edges, states);
        var (h, w, q, from) = (states.Address(), relations.Address(), queries.Address(), gradient.Address());
        var (output, atHigh, atLow, seen) = (result.Output.Address(), result.Highest.Address(), result.Lowest.Address(), result.Counts.Address());
        var (toH, toW, toQ) = (toStates.Address(), toRelations.Address(), toQueries.Address());
        loops.ForEachSpan((span, visible, asked) =>
        {
            var count = checked(loops._entities * span.Vectors * Kept * s_width);
            var kept = ArrayPool<float>.Shared.Rent(count);
            fixed (float* at = kept)
            {
                loops.Keep(span, (float*)q, (float*)from, (float*)output, (int*)atHigh, (int*)atLow, (float*)seen, at, (float*)toQ);
                loops.Backward(span, visible, asked, (float*)h, (float*)w, at, (float*)toH, (float*)toW);
            }

            ArrayPool<float>.Shared.Return(kept);
        });
        GC.KeepAlive((states, relations, queries, gradient, result, edges));
        return (Narrowed(toStates, 1, size).MoveToOuterDisposeScope(), Narrowed(toRelations, 1, size).MoveToOuterDisposeScope(), Narrowed(toQueries, 1, size).MoveToOuterDisposeScope());
    }

    private void ForEachSpan(Work work)
    {
        var vectors = (int)(_columns / s_width);
        if (_entities > 0)
        {
            Parallel.For(0, (vectors + Span - 1) / Span, new ParallelOptions { MaxDegreeOfParallelism = get_num_threads() }, index =>
            {
                var span = new ColumnSpan(index * Span * s_width, Math.Min(Span, vectors - (index * Span)));
                var (visible, asked) = (ArrayPool<Edge>.Shared.Rent(_mostEdges + 1), ArrayPool<byte>.Shared.Rent(_entities));
                Array.Clear(asked);
                for (var query = span.First / _size; query <= (span.First + (span.Vectors * s_width) - 1) / _size; query++)
                {
                    asked[_heads[query]] = 1;
                }

                fixed (Edge* edges = visible)
                fixed (byte* heads = asked)
                {
                    work(span, edges, heads);
                }

                ArrayPool<Edge>.Shared.Return(visible);
                ArrayPool<byte>.Shared.Return(asked);
            });
        }
    }

    private void Forward(ColumnSpan span, Edge* visible, byte* asked, float* states, float* relations, float* queries, float* output, int* highest, int* lowest, float* counts)
    {
        for (var entity = 0; entity < _entities; entity++)
        {
            var edges = _incoming + _offsets[entity];
            var count = _offsets[entity + 1] - _offsets[entity];
            var seen = count;
            if (_hidden is not null || _atHeads)
            {
                (seen, count) = (0, 0);
                for (var edge = edges; edge < _incoming + _offsets[entity + 1]; edge++)
                {
                    // Written anyhow: whether it stays is hard to foresee.
                    visible[count] = *edge;
                    var isSeen = _hidden is null ? 1 : 1 - _hidden[edge->Unit];
                    seen += isSeen;
                    count += _atHeads ? isSeen & asked[edge->Other] : isSeen;
                }

                edges = visible;
            }

            var share = new Vector<float>(1f / (seen + 1));
            if (span.First == 0)
            {
                counts[entity] = seen + 1;
            }

            for (var vector = 0; vector < span.Vectors; vector++)
            {
                var column = span.First + (vector * s_width);
                var (sum, square) = (Vector<float>.Zero, Vector<float>.Zero);
                var (high, low) = (new Vector<float>(float.NegativeInfinity), new Vector<float>(float.PositiveInfinity));
                var (atHigh, atLow) = (new Vector<int>(OwnMessage), new Vector<int>(OwnMessage));
                for (var edge = edges; edge < edges + count; edge++)
                {
                    var message = Vector.Load(states + (edge->Other * _columns) + column) * Vector.Load(relations + (edge->Relation * _columns) + column);
                    var position = new Vector<int>(edge->Position);
                    sum += message;
                    square = Vector.FusedMultiplyAdd(message, message, square);
                    // The first of equals stays.
                    var (higher, lower) = (Vector.GreaterThan(message, high), Vector.LessThan(message, low));
                    (high, low) = (Vector.ConditionalSelect(higher, message, high), Vector.ConditionalSelect(lower, message, low));
                    (atHigh, atLow) = (Vector.ConditionalSelect(higher, position, atHigh), Vector.ConditionalSelect(lower, position, atLow));
                }

                if (count < seen)
                {
                    var (higher, lower, silent) = (Vector.GreaterThan(Vector<float>.Zero, high), Vector.LessThan(Vector<float>.Zero, low), new Vector<int>(SilentEdge));
                    (high, low) = (Vector.ConditionalSelect(higher, Vector<float>.Zero, high), Vector.ConditionalSelect(lower, Vector<float>.Zero, low));
                    (atHigh, atLow) = (Vector.ConditionalSelect(higher, silent, atHigh), Vector.ConditionalSelect(lower, silent, atLow));
                }

                var query = column / _size;
                var own = _heads[query] == entity ? Vector.Load(queries + column) : Vector<float>.Zero;
                var mean = (sum + own) * share;
                var variance = (Vector.FusedMultiplyAdd(own, own, square) * share) - (mean * mean);
                var (above, below) = (Vector.GreaterThan(high, own), Vector.LessThan(low, own));
                var to = output + (((entity * _columns) + (query * _size)) * 4) + (column % _size);
                Vector.Store(mean, to);
                Vector.Store(Vector.ConditionalSelect(above, high, own), to + _size);
                Vector.Store(Vector.ConditionalSelect(below, low, own), to + (2 * _size));
                Vector.Store(Vector.SquareRoot(Vector.Max(variance, Vector<float>.Zero) + new Vector<float>((float)PathAggregation.Epsilon)), to + (3 * _size));
                var place = (entity * _columns) + column;
                Vector.Store(Vector.ConditionalSelect(above, atHigh, new(OwnMessage)), highest + place);
                Vector.Store(Vector.ConditionalSelect(below, atLow, new(OwnMessage)), lowest + place);
            }
        }
    }

    // A message m to an entity gets level + slope * m of the mean's and the deviation's gradients; where the variance is 0 the messages are their mean, and the two cancel. A
    // query's own message gets its gradient, extremes included, here.
    private void Keep(
        ColumnSpan span, float* queries, float* gradient, float* output, int* highest, int* lowest, float* counts, float* kept, float* toQueries)
    {
        for (var entity = 0; entity < _entities; entity++)
        {
            var share = new Vector<float>(1 / counts[entity]);
            for (var vector = 0; vector < span.Vectors; vector++, kept += Kept * s_width)
            {
                var column = span.First + (vector * s_width);
                var query = column / _size;
                var row = (((entity * _columns) + (query * _size)) * 4) + (column % _size);
                var place = (entity * _columns) + column;
                var slope = share * Vector.Load(gradient + row + (3 * _size)) / Vector.Load(output + row + (3 * _size));
                var level = (share * Vector.Load(gradient + row)) - (slope * Vector.Load(output + row));
                var (toHigh, toLow) = (Vector.Load(gradient + row + _size), Vector.Load(gradient + row + (2 * _size)));
                var (atHigh, atLow) = (Vector.Load(highest + place), Vector.Load(lowest + place));
                Vector.Store(level, kept);
                Vector.Store(slope, kept + s_width);
                Vector.Store(toHigh, kept + (2 * s_width));
                Vector.Store(toLow, kept + (3 * s_width));
                Vector.Store(atHigh, (int*)kept + (4 * s_width));
                Vector.Store(atLow, (int*)kept + (5 * s_width));
                if (_heads[query] == entity)
                {
                    Vector.Store(OfMessage(kept, Vector.Load(queries + column), OwnMessage), toQueries + column);
                }
            }
        }
    }

    // All messages from an entity along one relation are the same: their gradients are summed before they are multiplied.
    private void Backward(ColumnSpan span, Edge* visible, byte* asked, float* states, float* relations, float* kept, float* toStates, float* toRelations)
    {
        for (var entity = 0; entity < _entities; entity++)
        {
            var count = 0;
            // A state that is zero for all of these queries: nobody asks for its gradient, and it gives the relations none.
            var end = _atHeads && asked[entity] == 0 ? _offsets[entity] : _offsets[entity + 1];
            for (var index = _offsets[entity]; index < end; index++)
            {
                var edge = _outgoing[index];
                visible[count] = edge with { Position = edge.Position - _offsets[edge.Other] };
                count += _hidden is null ? 1 : 1 - _hidden[edge.Unit];
            }

            for (var vector = 0; vector < span.Vectors; vector++)
            {
                var column = span.First + (vector * s_width);
                var from = Vector.Load(states + (entity * _columns) + column);
                var toState = Vector<float>.Zero;
                for (var edge = visible; edge < visible + count;)
                {
                    var relation = edge->Relation;
                    var by = Vector.Load(relations + (relation * _columns) + column);
                    var (message, toMessages) = (from * by, Vector<float>.Zero);
                    for (; edge < visible + count && edge->Relation == relation; edge++)
                    {
                        toMessages += OfMessage(kept + (((edge->Other * (nint)span.Vectors) + vector) * Kept * s_width), message, edge->Position);
                    }

                    toState = Vector.FusedMultiplyAdd(toMessages, by, toState);
                    var to = toRelations + (relation * _columns) + column;
                    Vector.Store(Vector.FusedMultiplyAdd(toMessages, from, Vector.Load(to)), to);
                }

                Vector.Store(toState, toStates + (entity * _columns) + column);
            }
        }
    }

    // The gradient of a message to the entity of which this was kept.
    private static Vector<float> OfMessage(float* kept, Vector<float> message, int position)
    {
        var at = new Vector<int>(position);
        var high = Vector.ConditionalSelect(Vector.Equals(Vector.Load((int*)kept + (4 * s_width)), at), Vector.Load(kept + (2 * s_width)), Vector<float>.Zero);
        var low = Vector.ConditionalSelect(Vector.Equals(Vector.Load((int*)kept + (5 * s_width)), at), Vector.Load(kept + (3 * s_width)), Vector<float>.Zero);
        return Vector.FusedMultiplyAdd(Vector.Load(kept + s_width), message, Vector.Load(kept)) + (high + low);
    }

    // Sizes that vectors do not divide get columns of zeros to each part of the last dimension.
    private static Tensor Widened(Tensor x, long parts)
    {
        var size = x.shape[^1] / parts;
        return size % s_width == 0 ? x : nn.functional.pad(x.view([.. x.shape[..^1], parts, size]), [0, s_width - (size % s_width)]).flatten(-2);
    }

    private static Tensor Narrowed(Tensor x, long parts, long size) =>
        x.shape[^1] == parts * size ? x : x.view([.. x.shape[..^1], parts, -1]).narrow(-1, 0, size).flatten(-2);

    // visible has room for the edges of any entity, asked tells for each whether one of the span's queries has it as its head.
    private delegate void Work(ColumnSpan span, Edge* visible, byte* asked);

    // Some of the columns.
    private readonly record struct ColumnSpan(int First, int Vectors);

    // As the graph's lists have it.
    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Edge(int Other, int Relation, int Position, int Unit);
}
