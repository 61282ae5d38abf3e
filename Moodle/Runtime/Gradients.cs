using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>Operations over the gradients of many parameters at once.</summary>
public static class Gradients
{
    private static readonly TorchScript s_script = new("""
        def clip(grads: List[Tensor], max_norm: float) -> Tensor:
            norm = torch.linalg_vector_norm(torch.stack(torch._foreach_norm(grads, 2.0)), 2.0)
            torch._foreach_mul_(grads, torch.clamp(max_norm / (norm + 1e-6), max=1.0))
            return norm
        """);

    /// <summary>
    /// Goes on with autograd from tensors whose gradients are known. A parameter takes its gradient as it is, where autograd would copy it.
    /// </summary>
    /// <param name="roots">Tensors that require gradients, with these; the gradients must not be used afterwards.</param>
    public static void Backward(IEnumerable<(Tensor Root, Tensor Gradient)> roots)
    {
        var recorded = new List<(Tensor Root, Tensor Gradient)>();
        foreach (var (root, gradient) in roots)
        {
            if (!root.is_leaf)
            {
                recorded.Add((root, gradient));
            }
            else if (root.grad is { } before)
            {
                before.add_(gradient);
            }
            else
            {
                root.grad = gradient;
            }
        }

        if (recorded.Count > 0)
        {
            autograd.backward([.. recorded.Select(root => root.Root)], [.. recorded.Select(root => root.Gradient)]);
        }
    }

    /// <summary>
    /// Scales all gradients so that their common Euclidean norm is at most a bound, as PyTorch's <c>clip_grad_norm_</c> does, but
    /// without waiting for the device. Parameters without a gradient are skipped.
    /// </summary>
    /// <param name="parameters">Parameters on one device.</param>
    /// <param name="maxNorm">The bound, above 0.</param>
    /// <returns>The norm before, a single number on the parameters' device; the caller owns it.</returns>
    public static Tensor ClipNorm(IEnumerable<Tensor> parameters, double maxNorm)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxNorm);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var gradients = parameters.Select(parameter => parameter.grad).OfType<Tensor>().ToArray();
        var norm = gradients.Length == 0 ? zeros([]) : (Tensor)s_script.Invoke("clip", gradients, maxNorm)!;
        return norm.MoveToOuterDisposeScope();
    }
}
