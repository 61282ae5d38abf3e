using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Attention;

/// <summary>The blocked path as an operation that autograd knows. The selection is a constant to the gradient.</summary>
internal sealed class StripeFunction : autograd.SingleTensorFunction<StripeFunction>
{
    private const string Offsets = "offsets";
    private const string Options = "options";

    /// <inheritdoc/>
    public override string Name => nameof(StripeFunction);

    /// <summary>Attends; records for the gradient only where one is asked for.</summary>
    /// <param name="q">[heads, n, d], contiguous.</param>
    /// <param name="k">[heads, n, d], contiguous.</param>
    /// <param name="v">[heads, n, d], contiguous.</param>
    /// <param name="options">Options.</param>
    public static Tensor Attend(Tensor q, Tensor k, Tensor v, AnchorAttentionOptions options)
    {
        using var scope = NewDisposeScope();
        var recorded = is_grad_enabled() && (q.requires_grad || k.requires_grad || v.requires_grad);
        return (recorded ? apply(q, k, v, options) : StripeAttention.Forward(q, k, v, options).Output).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var (q, k, v, options) = ((Tensor)vars[0], (Tensor)vars[1], (Tensor)vars[2], (AnchorAttentionOptions)vars[3]);
        var result = StripeAttention.Forward(q, k, v, options);
        // Detached: an output that holds itself would never be freed.
        ctx.save_for_backward([q, k, v, result.Output.detach(), result.LogSum, result.Stripes.Keys]);
        ctx.save_data(Offsets, result.Stripes.Offsets);
        ctx.save_data(Options, options);
        return result.Output;
    }

    /// <inheritdoc/>
    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        ReturnedGradients.Drop();
        using var scope = NewDisposeScope();
        var saved = ctx.get_saved_variables();
        var result = new StripeResult(saved[3], saved[4], new StripeLists(saved[5], (long[])ctx.get_data(Offsets)));
        var (dq, dk, dv) = StripeAttention.Backward(grad_output.contiguous(), saved[0], saved[1], saved[2], result, (AnchorAttentionOptions)ctx.get_data(Options));
        return ReturnedGradients.Hand(grad_output, 1, dq, dk, dv);
    }
}
