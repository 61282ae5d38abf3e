using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Models.Paths;

/// <summary>
/// A layer of the path network by kernels, as one operation that autograd knows: aggregation, products and update. Autograd would record a dozen operations for each layer, and
/// a training step of small batches is as long as its launches: so one gradient goes through all of them, and what comes to the states by the different ways is added in place.
/// </summary>
internal sealed class PathLayer : autograd.SingleTensorFunction<PathLayer>
{
    private const int Aggregates = 4;
    private const int Scales = 3;
    private const string Settings = "settings";

    /// <inheritdoc/>
    public override string Name => nameof(PathLayer);

    /// <summary>h + dropout(relu(LayerNorm(W [h; m; s m; m / s] + b))); records for the gradient only where one is asked for.</summary>
    /// <param name="states">h: bfloat16 [|E| * queries, d], for which <see cref="PathUpdate.Fits"/>.</param>
    /// <param name="relations">What messages are multiplied by: float32 [2|R|, queries, d], contiguous.</param>
    /// <param name="queries">The queries' own messages: float32 [queries, d].</param>
    /// <param name="weight">W: float32 [d, 13d].</param>
    /// <param name="bias">b: float32 [d].</param>
    /// <param name="edges">The edges.</param>
    /// <param name="update">The norm, scales and dropout.</param>
    /// <returns>As states.</returns>
    public static Tensor Next(Tensor states, Tensor relations, Tensor queries, Tensor weight, Tensor bias, PathEdges edges, PathUpdate update)
    {
        using var scope = NewDisposeScope();
        if (is_grad_enabled())
        {
            return apply(states, relations, queries, weight, bias, update.Weight, update.Bias, edges, update).MoveToOuterDisposeScope();
        }

        var messages = PathKernels.Answer(Apart(states, queries), relations, queries, edges);
        return Update(states, messages, Arrange(weight, bias), update, false).States.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var (states, weight, bias) = ((Tensor)vars[0], (Tensor)vars[3], (Tensor)vars[4]);
        var (edges, update) = ((PathEdges)vars[7], (PathUpdate)vars[8]);
        using var none = no_grad();
        var (relations, queries) = (((Tensor)vars[1]).to(ScalarType.BFloat16), ((Tensor)vars[2]).to(ScalarType.BFloat16));
        var result = PathKernels.Forward(Apart(states, queries), relations, queries, edges);
        var arranged = Arrange(weight, bias);
        var (next, normal, roots) = Update(states, result.Output, arranged, update, true);
        ctx.save_for_backward(
        [
            states, relations, queries, arranged.OfStates, arranged.OfMessages, result.Output, result.Highest, result.Lowest, result.Counts, normal!, roots!,
            update.Weight, update.Bias, update.Scales.Scale, update.Scales.Inverse, edges.Heads, edges.Hidden ?? result.Counts, update.Seed ?? result.Counts,
        ]);
        ctx.save_data(Settings, (edges.Graph, edges.Hidden is not null, edges.AtHeads, update.Seed is not null, update.Dropped));
        return next;
    }

    /// <inheritdoc/>
    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        ReturnedGradients.Drop();
        using var scope = NewDisposeScope();
        using var none = no_grad();
        var saved = ctx.get_saved_variables();
        var (graph, hides, atHeads, drops, dropped) = ((PathGraph, bool, bool, bool, int))ctx.get_data(Settings);
        var (states, relations, queries, ofStates, ofMessages) = (saved[0], saved[1], saved[2], saved[3], saved[4]);
        var result = new PathMessages(saved[5], saved[6], saved[7], saved[8]);
        var update = new PathUpdate(saved[11], saved[12], new(saved[13], saved[14]), drops ? saved[17] : null, dropped);
        var edges = new PathEdges(graph, saved[15], hides ? saved[16] : null, atHeads);
        var size = states.shape[1];
        var gradient = grad_output.contiguous();
        var (toOwn, toParts, toVectors) = update.Backward(gradient, saved[9], saved[10]); // [rows, d], [rows, 3d], [3, d]
        var messages = result.Output.view(-1, Aggregates * size); // [rows, 4d]
        var toMessages = toParts.mm(ofMessages.t()).view(result.Output.shape);
        // By the states that were added as they are, and by what the update takes of them; by the messages in the kernel.
        var through = gradient.addmm(toOwn, ofStates);
        var (toStates, toRelations, toQueries) = PathKernels.Backward(toMessages, Apart(states, queries), relations, queries, result, edges, through);
        var toWeight = empty([size, (1 + (Scales * Aggregates)) * size], ScalarType.Float32, states.device);
        toWeight.narrow(1, 0, size).copy_(toOwn.t().mm(states));
        Parts(toWeight).copy_(messages.t().mm(toParts).view(Aggregates * size, Scales, size));
        return ReturnedGradients.Hand(
            grad_output, 2, toStates.view(-1, size), toRelations, toQueries, toWeight, toVectors.select(0, 2), toVectors.select(0, 0), toVectors.select(0, 1));
    }

    // [|E|, queries, d].
    private static Tensor Apart(Tensor states, Tensor queries) => states.view(-1, queries.shape[0], states.shape[1]);

    // The parts of W that scaled messages meet, as [4d, 3, d], so that the three share one product.
    private static Tensor Parts(Tensor weight)
    {
        var size = weight.shape[0];
        return weight.narrow(1, size, Scales * Aggregates * size).view(size, Scales, -1).permute(2, 1, 0);
    }

    private static (Tensor OfStates, Tensor OfMessages, Tensor Bias) Arrange(Tensor weight, Tensor bias)
    {
        var size = weight.shape[0];
        var ofMessages = empty([Aggregates * size, Scales, size], ScalarType.BFloat16, weight.device);
        ofMessages.copy_(Parts(weight));
        return (weight.narrow(1, 0, size).to(ScalarType.BFloat16), ofMessages.view(-1, Scales * size), bias.to(ScalarType.BFloat16));
    }

    private static (Tensor States, Tensor? Normal, Tensor? Roots) Update(
        Tensor states, Tensor messages, (Tensor OfStates, Tensor OfMessages, Tensor Bias) arranged, PathUpdate update, bool forGradient)
    {
        var own = arranged.Bias.addmm(states, arranged.OfStates.t());
        return update.Forward(own, messages.view(-1, arranged.OfMessages.shape[0]).mm(arranged.OfMessages), states, forGradient);
    }
}
