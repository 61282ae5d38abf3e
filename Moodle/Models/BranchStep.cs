using Moodle.Models.Scorers;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Models;

/// <summary>
/// One training step of a branch. Autograd records what leads to queries and candidates and what regularises them; the logits' cross-entropy and, where a
/// scorer is bilinear, their product lie outside, and <see cref="Roots"/> gives the gradients at the cut.
/// </summary>
public sealed class BranchStep
{
    // On a GPU a product with an odd number of columns takes three times as long: 118 instead of 400 TFLOP/s at 14,541 entities on an H100.
    private const int Alignment = 32;
    private readonly QueryBatch _batch;
    private readonly Tensor _queries;
    private readonly Tensor _candidates;
    private readonly Tensor _loops;
    private readonly OneVsAllGradient _gradient;
    private readonly Tensor? _recorded;
    private readonly Tensor? _padded;

    // Without a scorer the logits are the product.
    internal BranchStep(Scorer? scorer, Tensor vectors, Tensor queries, Tensor candidates, Tensor loops, Tensor available, QueryBatch batch, double smoothing)
    {
        (_batch, _queries, _candidates, _loops) = (batch, queries, candidates, loops);
        var entities = candidates.shape[0];
        Tensor logits; // [queries, |E|], or more columns where padded
        if (scorer is null || scorer.IsBilinear)
        {
            using var none = no_grad();
            _padded = Pad(candidates.detach());
            logits = queries.detach().mm(_padded.t());
            logits.narrow(1, entities, logits.shape[1] - entities).fill_(float.NegativeInfinity);
            logits.scatter_add_(1, batch.Heads.unsqueeze(1), loops.detach().unsqueeze(1));
        }
        else
        {
            _recorded = scorer.Score(queries, candidates).scatter_add(1, batch.Heads.unsqueeze(1), loops.unsqueeze(1));
            logits = _recorded.detach();
        }

        using (no_grad())
        {
            _gradient = new OneVsAllGradient(logits, entities, batch, smoothing);
            Output = new BranchOutput(batch.Heads, vectors.detach(), queries.detach(), logits.narrow(1, 0, entities), available);
        }
    }

    /// <summary>What the branch says, without gradients.</summary>
    public BranchOutput Output { get; }

    /// <summary>Cross-entropy of each query, summed over its triples: [queries], without gradients.</summary>
    public Tensor Losses => _gradient.Losses;

    /// <summary>N3 regularisation, already weighed; null where there is none.</summary>
    public Tensor? Norm { get; internal init; }

    /// <summary>Relation prediction, already weighed; null where there is none.</summary>
    public Tensor? Relations { get; internal init; }

    /// <summary>Where autograd goes on, and the gradients there of the sum of all losses times a factor.</summary>
    /// <param name="factor">A scalar.</param>
    /// <param name="others">What other losses add to the gradient of the output's logits, [queries, |E|], or null.</param>
    /// <param name="keepLogits">Whether the output's logits are still needed.</param>
    public (Tensor Root, Tensor Gradient)[] Roots(Tensor factor, Tensor? others, bool keepLogits)
    {
        using var none = no_grad();
        if (_recorded is not null)
        {
            return [(_recorded, _gradient.Of(factor, others, keepLogits: true))];
        }

        var gradient = _gradient.Of(factor, others, keepLogits); // [queries, columns]
        return
        [
            (_queries, gradient.mm(_padded!)),
            (_candidates, gradient.t().mm(_queries.detach()).narrow(0, 0, _candidates.shape[0])),
            (_loops, gradient.gather(1, _batch.Heads.unsqueeze(1)).squeeze(1)),
        ];
    }

    private static Tensor Pad(Tensor candidates)
    {
        var entities = candidates.shape[0];
        var missing = candidates.device_type == DeviceType.CUDA ? (Alignment - (entities % Alignment)) % Alignment : 0;
        if (missing == 0)
        {
            return candidates;
        }

        var padded = empty(entities + missing, candidates.shape[1], dtype: candidates.dtype, device: candidates.device);
        padded.narrow(0, 0, entities).copy_(candidates);
        padded.narrow(0, entities, missing).zero_();
        return padded;
    }
}
