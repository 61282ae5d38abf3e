using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Models.Paths;

/// <summary>
/// What the messages along a graph's edges to each entity amount to: their mean, maximum, minimum and standard deviation (PNA, Corso et al. 2020), as an operation
/// that autograd knows. The message of edge (u, r, v) is h_u ⊙ w_r; a query's head gets one more, the query itself, and all others a zero. Hidden edges count
/// for nothing, not even in the mean. Of equal messages the query's own is the highest and lowest, then that of the first edge (the kernels take the last
/// for a maximum below zero or a minimum above, which only a head can have).
/// </summary>
internal sealed class PathAggregation : autograd.SingleTensorFunction<PathAggregation>
{
    /// <summary>Added to the variance.</summary>
    public const double Epsilon = 1e-6;

    private const string Inputs = "inputs";

    /// <inheritdoc/>
    public override string Name => nameof(PathAggregation);

    /// <summary>Aggregates; records for the gradient only where one is asked for.</summary>
    /// <param name="states">h: [|E|, queries, d], contiguous. With bfloat16 the kernels compute, which must fit (<see cref="PathKernels.Fit"/>).</param>
    /// <param name="relations">w: [2|R|, queries, d], contiguous, of the states' type or float32.</param>
    /// <param name="queries">The queries' own messages: [queries, d], of the relations' type.</param>
    /// <param name="heads">int64 [queries].</param>
    /// <param name="graph">The edges.</param>
    /// <param name="hidden">uint8 [units], 1 where edges are hidden; null for none.</param>
    /// <param name="atHeads">Whether the states are zero but at their queries' heads, and gradients are asked for there alone: kernels then pass over all other edges.</param>
    /// <returns>[|E|, queries, 4d]: mean, maximum, minimum and standard deviation.</returns>
    public static Tensor Aggregate(Tensor states, Tensor relations, Tensor queries, Tensor heads, PathGraph graph, Tensor? hidden, bool atHeads = false)
    {
        using var scope = NewDisposeScope();
        var edges = new PathEdges(graph, heads.contiguous(), hidden, atHeads);
        var recorded = is_grad_enabled() && (states.requires_grad || relations.requires_grad || queries.requires_grad);
        var output = recorded ? apply(states, relations, queries, edges)
            : states.dtype == ScalarType.BFloat16 ? PathKernels.Answer(states, relations, queries, edges)
            : Forward(states, relations, queries, edges).Output;
        return output.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var (states, relations, queries, edges) = ((Tensor)vars[0], (Tensor)vars[1], (Tensor)vars[2], (PathEdges)vars[3]);
        var result = Forward(states, relations, queries, edges);
        // Detached: an output that holds itself would never be freed.
        ctx.save_for_backward([states, relations, queries, result.Output.detach(), result.Highest, result.Lowest, result.Counts, edges.Heads, edges.Hidden ?? result.Counts]);
        ctx.save_data(Inputs, (edges.Graph, edges.Hidden is not null, edges.AtHeads));
        return result.Output;
    }

    /// <inheritdoc/>
    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        ReturnedGradients.Drop();
        using var scope = NewDisposeScope();
        using var none = no_grad();
        var saved = ctx.get_saved_variables();
        var (graph, hides, atHeads) = ((PathGraph, bool, bool))ctx.get_data(Inputs);
        var edges = new PathEdges(graph, saved[7], hides ? saved[8] : null, atHeads);
        var (states, relations, queries) = Backward(grad_output.contiguous(), saved[0], saved[1], saved[2], new(saved[3], saved[4], saved[5], saved[6]), edges);
        return ReturnedGradients.Hand(grad_output, 1, states, relations, queries);
    }

    private static PathMessages Forward(Tensor states, Tensor relations, Tensor queries, PathEdges edges) =>
        states.dtype == ScalarType.BFloat16 ? PathKernels.Forward(states, relations, queries, edges)
        : PathLoops.Fit(states) ? PathLoops.Forward(states, relations, queries, edges)
        : PathOperations.Forward(states, relations, queries, edges);

    private static (Tensor States, Tensor Relations, Tensor Queries) Backward(
        Tensor gradient, Tensor states, Tensor relations, Tensor queries, PathMessages result, PathEdges edges) =>
        states.dtype == ScalarType.BFloat16 ? PathKernels.Backward(gradient, states, relations, queries, result, edges)
        : PathLoops.Fit(states) ? PathLoops.Backward(gradient, states, relations, queries, result, edges)
        : PathOperations.Backward(gradient, states, relations, queries, result, edges);
}

/// <summary>Along which edges messages go, for a batch of queries.</summary>
/// <param name="Graph">All edges.</param>
/// <param name="Heads">int64 [queries].</param>
/// <param name="Hidden">uint8 [units] or null.</param>
/// <param name="AtHeads">Whether states are zero but at the heads.</param>
internal sealed record PathEdges(PathGraph Graph, Tensor Heads, Tensor? Hidden, bool AtHeads);

/// <summary>What came out of an aggregation.</summary>
/// <param name="Output">[|E|, queries, 4d].</param>
/// <param name="Highest">[|E|, queries, d]: the position of the edge that brought the maximum, or that of no edge for the query's own message.</param>
/// <param name="Lowest">The same of the minimum.</param>
/// <param name="Counts">[|E|]: messages that were counted.</param>
internal sealed record PathMessages(Tensor Output, Tensor Highest, Tensor Lowest, Tensor Counts);
