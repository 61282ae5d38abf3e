using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Models.Paths;

/// <summary>
/// <see cref="PathAggregation"/> out of libtorch's operations, for any device and type. Messages exist for some entities at a time: those of all edges of FB15K-237 would
/// take half a gigabyte for eight queries, and several such tensors in each layer.
/// </summary>
internal static class PathOperations
{
    /// <summary>Numbers that the messages of some entities have together at most, unless one entity alone has more.</summary>
    private const long MostNumbers = 1 << 22;

    private static readonly TorchScript s_segments = new("""
        def total(x: Tensor, offsets: Tensor):
            return torch.segment_reduce(x, "sum", offsets=offsets, axis=0, unsafe=True)

        def highest(x: Tensor, offsets: Tensor):
            return torch.segment_reduce(x, "max", offsets=offsets, axis=0, unsafe=True)

        def lowest(x: Tensor, offsets: Tensor):
            return torch.segment_reduce(x, "min", offsets=offsets, axis=0, unsafe=True)
        """);

    /// <summary>Aggregates; positions are -1 where a query's own message was highest or lowest.</summary>
    public static PathMessages Forward(Tensor states, Tensor relations, Tensor queries, PathEdges edges)
    {
        using var none = no_grad();
        using var scope = NewDisposeScope();
        var own = zeros_like(states).view(-1, states.shape[2]).index_copy_(0, HeadRows(edges.Heads), queries).view_as(states);
        var parts = Chunks(edges.Graph, states.shape[1] * states.shape[2]).Select(targets => Forward(targets, states, relations, own, edges)).ToArray();
        Tensor Joined(Func<PathMessages, Tensor> part) => cat([.. parts.Select(part)], 0).MoveToOuterDisposeScope();
        return new(Joined(part => part.Output), Joined(part => part.Highest), Joined(part => part.Lowest), Joined(part => part.Counts));
    }

    /// <summary>The gradients of states, relations and queries.</summary>
    public static (Tensor States, Tensor Relations, Tensor Queries) Backward(
        Tensor gradient, Tensor states, Tensor relations, Tensor queries, PathMessages result, PathEdges edges)
    {
        using var scope = NewDisposeScope();
        var size = states.shape[2];
        var (mean, deviation) = (result.Output.narrow(2, 0, size), result.Output.narrow(2, 3 * size, size));
        var (toMean, toHighest, toLowest, toDeviation) = (gradient.narrow(2, 0, size), gradient.narrow(2, size, size), gradient.narrow(2, 2 * size, size), gradient.narrow(2, 3 * size, size));
        // A message m gets level + slope * m. Where the variance is 0 the messages are their mean: the two cancel, as they must.
        var slope = toDeviation / (deviation * result.Counts.view(-1, 1, 1));
        var level = (toMean / result.Counts.view(-1, 1, 1)).addcmul_(slope, mean, -1);
        var (toStates, toRelations) = (zeros_like(states), zeros_like(relations));
        foreach (var targets in Chunks(edges.Graph, states.shape[1] * size))
        {
            using var chunk = NewDisposeScope();
            var list = new Segment(targets, edges);
            var (sources, weights) = (states.index_select(0, list.Sources), relations.index_select(0, list.Relations));
            Tensor OfTarget(Tensor x) => x.narrow(0, targets.First, targets.Count).index_select(0, list.Targets);
            var toMessages = OfTarget(level).addcmul_(OfTarget(slope), sources * weights, 1)
                .add_(OfTarget(toHighest) * OfTarget(result.Highest).eq(list.Positions))
                .add_(OfTarget(toLowest) * OfTarget(result.Lowest).eq(list.Positions));
            toMessages = list.Seen is null ? toMessages : toMessages * list.Seen;
            toStates.index_add_(0, list.Sources, toMessages * weights, 1);
            toRelations.index_add_(0, list.Relations, toMessages * sources, 1);
        }

        var rows = HeadRows(edges.Heads);
        Tensor AtHeads(Tensor x) => x.reshape(-1, size).index_select(0, rows);
        var toQueries = AtHeads(level).addcmul_(AtHeads(slope), queries, 1)
            .add_(AtHeads(toHighest) * AtHeads(result.Highest).lt(0)).add_(AtHeads(toLowest) * AtHeads(result.Lowest).lt(0));
        return (toStates.MoveToOuterDisposeScope(), toRelations.MoveToOuterDisposeScope(), toQueries.MoveToOuterDisposeScope());
    }

    private static PathMessages Forward((int First, int Count) targets, Tensor states, Tensor relations, Tensor own, PathEdges edges)
    {
        using var scope = NewDisposeScope();
        var list = new Segment(targets, edges);
        own = own.narrow(0, targets.First, targets.Count);
        var messages = states.index_select(0, list.Sources) * relations.index_select(0, list.Relations); // [edges, queries, d]
        var (seen, counts) = (messages, list.Lengths);
        var (upper, lower) = (messages, messages);
        if (list.Seen is not null)
        {
            seen = messages * list.Seen;
            counts = list.Reduce("total", list.Seen.to(messages.dtype)).view(-1);
            upper = messages.masked_fill(list.Seen.logical_not(), double.NegativeInfinity);
            lower = messages.masked_fill(list.Seen.logical_not(), double.PositiveInfinity);
        }

        counts = counts.to(messages.dtype) + 1;
        var share = counts.view(-1, 1, 1).reciprocal();
        var mean = (list.Reduce("total", seen) + own) * share;
        var deviation = (((list.Reduce("total", seen * seen) + (own * own)) * share) - (mean * mean)).clamp_min(0).add_(PathAggregation.Epsilon).sqrt_();
        var (highest, lowest) = (list.Reduce("highest", upper), list.Reduce("lowest", lower));
        var nowhere = full_like(mean, -1);
        Tensor First(Tensor extreme, Tensor among) => list.Reduce(
            "lowest", where(among.eq(extreme.index_select(0, list.Targets)), list.Positions.to(messages.dtype), full([], double.PositiveInfinity, messages.dtype, messages.device)));
        var output = cat([mean, maximum(highest, own), minimum(lowest, own), deviation], 2);
        return new(
            output.MoveToOuterDisposeScope(), where(highest.gt(own), First(highest, upper), nowhere).MoveToOuterDisposeScope(),
            where(lowest.lt(own), First(lowest, lower), nowhere).MoveToOuterDisposeScope(), counts.MoveToOuterDisposeScope());
    }

    // Where the heads stand among all pairs of an entity and a query: int64 [queries].
    private static Tensor HeadRows(Tensor heads) => (heads * heads.shape[0]) + arange(heads.shape[0], device: heads.device);

    private static IEnumerable<(int First, int Count)> Chunks(PathGraph graph, long columns)
    {
        for (var first = 0; first < graph.EntityCount;)
        {
            var end = first + 1;
            while (end < graph.EntityCount && (graph.OffsetsOnHost[end + 1] - graph.OffsetsOnHost[first] + end + 1 - first) * columns <= MostNumbers)
            {
                end++;
            }

            yield return (first, end - first);
            first = end;
        }
    }

    // The edges to some entities.
    private sealed class Segment
    {
        private readonly Tensor _offsets; // int64 [targets + 1]

        public Segment((int First, int Count) targets, PathEdges edges)
        {
            var graph = edges.Graph;
            var (first, end) = (graph.OffsetsOnHost[targets.First], graph.OffsetsOnHost[targets.First + targets.Count]);
            var list = graph.Incoming.narrow(0, first, end - first).t().to(ScalarType.Int64).contiguous(); // [4, edges]
            (Sources, Relations, Positions) = (list.select(0, 0), list.select(0, 1), list.select(0, 2).view(-1, 1, 1));
            Seen = edges.Hidden?.index_select(0, list.select(0, 3)).eq(0).view(-1, 1, 1);
            _offsets = graph.Offsets.narrow(0, targets.First, targets.Count + 1).to(ScalarType.Int64) - first;
            Lengths = _offsets.diff();
            Targets = arange(targets.Count, device: graph.Device).repeat_interleave(Lengths);
        }

        public Tensor Sources { get; }

        public Tensor Relations { get; }

        // Each edge's target, counted from the first: int64 [edges].
        public Tensor Targets { get; }

        // int64 [edges, 1, 1].
        public Tensor Positions { get; }

        // bool [edges, 1, 1]; null where none is hidden.
        public Tensor? Seen { get; }

        // Edges to each: int64 [targets].
        public Tensor Lengths { get; }

        // Over the edges of each target: [targets, ...].
        public Tensor Reduce(string how, Tensor x) => (Tensor)s_segments.Invoke(how, x, _offsets)!;
    }
}
