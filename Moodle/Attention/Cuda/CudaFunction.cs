using Moodle.Runtime;
using Moodle.Runtime.Cuda;
using static TorchSharp.torch;

namespace Moodle.Attention.Cuda;

/// <summary>The kernels as an operation that autograd knows. The selection is a constant to the gradient.</summary>
internal sealed class CudaFunction : autograd.SingleTensorFunction<CudaFunction>
{
    private const string Kernels = "kernels";

    /// <inheritdoc/>
    public override string Name => nameof(CudaFunction);

    /// <summary>Attends; records for the gradient only where one is asked for.</summary>
    /// <param name="kernels">The kernels.</param>
    /// <param name="q">Contiguous, as the kernels' layout says.</param>
    /// <param name="k">The same.</param>
    /// <param name="v">The same.</param>
    /// <param name="selection">What the kernels selected.</param>
    /// <exception cref="CudaException">A launch was refused.</exception>
    public static Tensor Attend(CudaAttention kernels, Tensor q, Tensor k, Tensor v, KernelSelection selection)
    {
        var recorded = is_grad_enabled() && (q.requires_grad || k.requires_grad || v.requires_grad);
        return recorded ? apply(q, k, v, kernels, selection) : kernels.Finish(q, k, v, selection);
    }

    /// <inheritdoc/>
    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var (q, k, v, kernels, selection) = ((Tensor)vars[0], (Tensor)vars[1], (Tensor)vars[2], (CudaAttention)vars[3], (KernelSelection)vars[4]);
        var output = kernels.Finish(q, k, v, selection);
        // Detached: an output that holds itself would never be freed.
        ctx.save_for_backward([q, k, v, output.detach(), selection.Kept]);
        ctx.save_data(Kernels, kernels);
        return output;
    }

    /// <inheritdoc/>
    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        ReturnedGradients.Drop();
        using var scope = NewDisposeScope();
        var saved = ctx.get_saved_variables();
        var kernels = (CudaAttention)ctx.get_data(Kernels);
        var (dq, dk, dv) = kernels.Backward(grad_output.contiguous(), saved[0], saved[1], saved[2], saved[3], kernels.Finished(saved[4]));
        return ReturnedGradients.Hand(grad_output, 2, dq, dk, dv);
    }
}
