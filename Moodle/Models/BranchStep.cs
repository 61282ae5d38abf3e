using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Models;

/// <summary>
/// One training step of a branch, whose logits and cross-entropy lie outside of autograd: <see cref="Roots"/> gives the gradients where autograd goes on.
/// </summary>
public abstract class BranchStep
{
    // On a GPU a product with an odd number of columns takes three times as long: 118 instead of 400 TFLOP/s at 14,541 entities on an H100.
    private const int Alignment = 32;

    /// <summary>What the branch says, without gradients.</summary>
    public abstract BranchOutput Output { get; }

    /// <summary>Cross-entropy of each query, summed over its triples: [queries], without gradients.</summary>
    public abstract Tensor Losses { get; }

    /// <summary>N3 regularisation, already weighed; null where there is none. Autograd may or may not know it.</summary>
    public abstract Tensor? Norm { get; }

    /// <summary>Relation prediction, already weighed; null where there is none. Autograd may or may not know it.</summary>
    public abstract Tensor? Relations { get; }

    /// <summary>
    /// Where autograd goes on, and the gradients there of the mean of all losses over the batch's triples, times a factor; with them those of the terms that
    /// autograd does not know. Asked once: the output's logits are overwritten.
    /// </summary>
    /// <param name="factor">A scalar on the device.</param>
    /// <param name="others">What other losses add to the gradient of the output's logits, [queries, |E|], or null.</param>
    public abstract (Tensor Root, Tensor Gradient)[] Roots(Tensor factor, Tensor? others);

    /// <summary>Queries times candidates, padded on a GPU.</summary>
    /// <param name="queries">[queries, size].</param>
    /// <param name="candidates">[candidates, size].</param>
    /// <returns>[columns, size], the candidates and perhaps rows of zeros; [queries, columns], the products, and -∞ where the rows were added.</returns>
    private protected static (Tensor Padded, Tensor Products) Multiply(Tensor queries, Tensor candidates)
    {
        var count = candidates.shape[0];
        var missing = candidates.device_type == DeviceType.CUDA ? (Alignment - (count % Alignment)) % Alignment : 0;
        if (missing == 0)
        {
            return (candidates, queries.mm(candidates.t()));
        }

        var padded = empty(count + missing, candidates.shape[1], dtype: candidates.dtype, device: candidates.device);
        padded.narrow(0, 0, count).copy_(candidates);
        padded.narrow(0, count, missing).zero_();
        var products = queries.mm(padded.t());
        products.narrow(1, count, missing).fill_(float.NegativeInfinity);
        return (padded, products);
    }
}
