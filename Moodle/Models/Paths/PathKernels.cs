using System.Runtime.InteropServices;
using Moodle.Runtime;
using Moodle.Runtime.Cuda;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Models.Paths;

/// <summary>
/// <see cref="PathAggregation"/> by kernels: no message is ever written to memory. States are bfloat16, sums float32. All of it is deterministic but the gradient of the
/// relations' vectors, to which the entities add atomically.
/// </summary>
internal static class PathKernels
{
    private const int Warps = 8;
    private const int Threads = 32 * Warps;
    private const int Span = 256;
    private const int Columns = 8;
    private const int Planes = 8; // numbers of an entity's column that are kept of a piece of its edges
    private const int MostEdges = 0xFFFE; // positions are of 16 bits, and two of them mean no edge or any
    private static readonly CudaKernels s_kernels = new([.. new[] { "prelude", "forward", "backward", "update" }.Select(part => $"Moodle.Models.Kernels.path_{part}.cu")]);

    /// <summary>Whether the kernels can run on a graph with states of a size; libtorch's operations take their place.</summary>
    public static bool Fit(PathGraph graph, int size) =>
        graph.Device.type == DeviceType.CUDA && size % Columns == 0 && graph.MaximalDegree <= MostEdges && s_kernels.For(graph.Device) is not null;

    /// <summary>The kernels of a device on which they <see cref="Fit"/>.</summary>
    public static CudaModule Module(Device device) => s_kernels.For(device)!;

    /// <summary>Aggregates; positions are of 16 bits, all of them 1 where a query's own message was highest or lowest.</summary>
    public static PathMessages Forward(Tensor states, Tensor relations, Tensor queries, PathEdges edges)
    {
        using var none = no_grad();
        using var scope = NewDisposeScope();
        var (entities, count, size) = (states.shape[0], states.shape[1], states.shape[2]);
        var output = empty([entities, count, 4 * size], ScalarType.BFloat16, states.device);
        var highest = empty([entities, count, size], ScalarType.Int16, states.device);
        var lowest = empty_like(highest);
        var counts = empty([entities], ScalarType.Float32, states.device);
        var pieces = Room(states, edges, Planes);
        var asked = queries.to(ScalarType.BFloat16);
        LaunchPieces(
            "path_forward", states, edges, edges.Graph.Incoming, states.Address(), relations.to(ScalarType.BFloat16).Address(), asked.Address(),
            output.Address(), highest.Address(), lowest.Address(), counts.Address(), pieces.Address());
        Join(
            "path_forward_join", states, edges, pieces.Address(), edges.Graph.Pieces.Joined.Address(), asked.Address(), output.Address(), highest.Address(), lowest.Address(),
            counts.Address());
        return new(output.MoveToOuterDisposeScope(), highest.MoveToOuterDisposeScope(), lowest.MoveToOuterDisposeScope(), counts.MoveToOuterDisposeScope());
    }

    /// <summary>Aggregates alone, where no gradient will be asked for: what they come from takes time to find out and to write.</summary>
    /// <returns>[|E|, queries, 4d].</returns>
    public static Tensor Answer(Tensor states, Tensor relations, Tensor queries, PathEdges edges)
    {
        using var none = no_grad();
        using var scope = NewDisposeScope();
        var output = empty([states.shape[0], states.shape[1], 4 * states.shape[2]], ScalarType.BFloat16, states.device);
        var pieces = Room(states, edges, Planes);
        var asked = queries.to(ScalarType.BFloat16);
        LaunchPieces(
            "path_answer", states, edges, edges.Graph.Incoming, states.Address(), relations.to(ScalarType.BFloat16).Address(), asked.Address(), output.Address(), pieces.Address());
        Join("path_answer_join", states, edges, pieces.Address(), edges.Graph.Pieces.Joined.Address(), asked.Address(), output.Address());
        return output.MoveToOuterDisposeScope();
    }

    /// <summary>The gradients of states, relations and queries; the latter two are float32.</summary>
    /// <param name="gradient">That of the output.</param>
    /// <param name="states">h.</param>
    /// <param name="relations">w.</param>
    /// <param name="queries">The queries' own messages.</param>
    /// <param name="result">What <see cref="Forward"/> returned.</param>
    /// <param name="edges">The edges.</param>
    /// <param name="through">What else is added to the gradient of the states, as they are; null for nothing.</param>
    public static (Tensor States, Tensor Relations, Tensor Queries) Backward(
        Tensor gradient, Tensor states, Tensor relations, Tensor queries, PathMessages result, PathEdges edges, Tensor? through = null)
    {
        using var none = no_grad();
        using var scope = NewDisposeScope();
        var (levels, slopes, toStates) = (empty_like(states), empty_like(states), empty_like(states));
        var toRelations = zeros(relations.shape, ScalarType.Float32, states.device);
        var toQueries = empty(queries.shape, ScalarType.Float32, states.device);
        var (highest, lowest) = (result.Highest.Address(), result.Lowest.Address());
        var blocks = (((long)edges.Graph.EntityCount * (ColumnsOf(states) / Columns)) + Threads - 1) / Threads;
        Launch(
            "path_slopes", (blocks, 1), Threads, states, edges, edges.Graph.Incoming,
            gradient.Address(), result.Output.Address(), result.Counts.Address(), queries.to(ScalarType.BFloat16).Address(), highest, lowest, levels.Address(), slopes.Address(),
            toQueries.Address());
        var marks = empty([Spans(states), edges.Graph.EdgeCount, Span / Columns], ScalarType.Int16, states.device);
        LaunchPieces("path_marks", states, edges, edges.Graph.Incoming, highest, lowest, marks.Address());
        var pieces = Room(states, edges, 1);
        LaunchPieces(
            "path_backward", states, edges, edges.Graph.Outgoing, gradient.Address(), states.Address(), relations.to(ScalarType.BFloat16).Address(), levels.Address(),
            slopes.Address(), marks.Address(), through?.Address() ?? 0, toStates.Address(), toRelations.Address(), pieces.Address());
        Join("path_backward_join", states, edges, pieces.Address(), edges.Graph.Pieces.Joined.Address(), through?.Address() ?? 0, toStates.Address());
        return (toStates.MoveToOuterDisposeScope(), toRelations.MoveToOuterDisposeScope(), toQueries.MoveToOuterDisposeScope());
    }

    // For what is found in pieces of an entity's edges: float32 [slots, planes, columns].
    private static Tensor Room(Tensor states, PathEdges edges, int planes) =>
        empty([edges.Graph.Pieces.SlotCount, planes, states.shape[1] * states.shape[2]], ScalarType.Float32, states.device);

    private static void LaunchPieces(string kernel, Tensor states, PathEdges edges, Tensor list, params ReadOnlySpan<nint> arguments)
    {
        var pieces = edges.Graph.Pieces;
        var blocks = pieces.SharedCount + ((pieces.Count - pieces.SharedCount + Warps - 1) / Warps);
        Launch(kernel, (blocks, Spans(states)), Threads, states, edges, list, arguments);
    }

    private static void Join(string kernel, Tensor states, PathEdges edges, params ReadOnlySpan<nint> arguments) =>
        Launch(kernel, (edges.Graph.Pieces.JoinedCount, Spans(states)), 32, states, edges, edges.Graph.Incoming, arguments);

    private static int ColumnsOf(Tensor states) => checked((int)(states.shape[1] * states.shape[2]));

    private static int Spans(Tensor states) => (ColumnsOf(states) + Span - 1) / Span;

    private static void Launch(string kernel, (long X, int Y) blocks, int threads, Tensor states, PathEdges edges, Tensor list, params ReadOnlySpan<nint> arguments)
    {
        if (blocks.X == 0 || blocks.Y == 0)
        {
            return;
        }

        var graph = edges.Graph;
        Module(states.device).Launch(
            kernel, blocks, threads, 0,
            new Addresses(
                graph.Offsets.Address(), list.Address(), graph.Pieces.Pieces.Address(), edges.Hidden?.Address() ?? 0, edges.Heads.Address(), graph.EntityCount,
                graph.EdgeCount, ColumnsOf(states), (int)states.shape[2], graph.Pieces.SharedCount, graph.Pieces.Count, edges.AtHeads ? 1 : 0),
            arguments);
    }

    // As the kernels declare it.
    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Addresses(
        nint Offsets, nint Edges, nint Pieces, nint Hidden, nint Heads, int Entities, int EdgeCount, int Columns, int Size, int Shared, int All, int AtHeads);
}
