using Moodle.Runtime;
using Moodle.Runtime.Cuda;
using static TorchSharp.torch;

namespace Moodle.Models.Cuda;

/// <summary>What <see cref="OneVsAllGradient"/> computes, in two launches.</summary>
internal sealed class KernelCrossEntropy
{
    private const int Threads = 256;
    private readonly CudaModule _kernels;
    private readonly Tensor _logits;
    private readonly long _entities;
    private readonly QueryBatch _batch;
    private readonly double _smoothing;
    private readonly Tensor _logSums;

    /// <summary>Takes the logits of a batch.</summary>
    /// <param name="kernels">The compiled kernels.</param>
    /// <param name="logits">float32 [queries, columns], contiguous, columns a multiple of 4; those past the entities hold -∞.</param>
    /// <param name="entities">|E|.</param>
    /// <param name="batch">The queries' answers.</param>
    /// <param name="smoothing">Share of the target spread evenly over all entities.</param>
    public KernelCrossEntropy(CudaModule kernels, Tensor logits, long entities, QueryBatch batch, double smoothing)
    {
        (_kernels, _logits, _entities, _batch, _smoothing) = (kernels, logits, entities, batch, smoothing);
        (_logSums, Losses) = (empty_like(batch.Weights), empty_like(batch.Weights));
        kernels.Launch("cross_entropy", (batch.Count, 1), Threads, 0, new BatchAddresses(batch),
            logits.Address(), _logSums.Address(), Losses.Address(), (nint)logits.shape[1], (nint)entities, TrainingKernels.Bits(smoothing));
    }

    /// <summary>Cross-entropy of each query, summed over its triples: [queries].</summary>
    public Tensor Losses { get; }

    /// <summary>The gradient of the sum of all losses times factor and scale.</summary>
    /// <param name="factor">A scalar on the device.</param>
    /// <param name="scale">A number.</param>
    /// <param name="others">What other losses add to it, [queries, |E|], or null.</param>
    /// <returns>In the place of the logits: [queries, columns]; 0 past the entities.</returns>
    public Tensor Gradient(Tensor factor, double scale, Tensor? others)
    {
        using var dense = others?.contiguous();
        _kernels.Launch("cross_entropy_gradient", (_batch.Count, 1), Threads, 0, new BatchAddresses(_batch),
            _logits.Address(), _logSums.Address(), dense?.Address() ?? 0, factor.Address(),
            (nint)_logits.shape[1], (nint)_entities, TrainingKernels.Bits(_smoothing), TrainingKernels.Bits(scale));
        return _logits;
    }
}
