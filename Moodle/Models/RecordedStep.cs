using Moodle.Models.Scorers;
using static TorchSharp.torch;

namespace Moodle.Models;

/// <summary>
/// A step by libtorch's operations. Autograd records what leads to queries and candidates and what regularises them; the cross-entropy and, where a scorer is
/// bilinear, the product lie outside.
/// </summary>
internal sealed class RecordedStep : BranchStep
{
    private readonly QueryBatch _batch;
    private readonly Tensor _queries;
    private readonly Tensor _candidates;
    private readonly Tensor _loops;
    private readonly OneVsAllGradient _gradient;
    private readonly Tensor? _recorded;
    private readonly Tensor? _padded;

    // Without a scorer the logits are the product.
    public RecordedStep(Scorer? scorer, Tensor vectors, Tensor queries, Tensor candidates, Tensor loops, Tensor available, QueryBatch batch, double smoothing,
        Tensor? norm, Tensor? relations)
    {
        (_batch, _queries, _candidates, _loops, Norm, Relations) = (batch, queries, candidates, loops, norm, relations);
        var entities = candidates.shape[0];
        Tensor logits; // [queries, |E|], or more columns where padded
        if (scorer is null || scorer.IsBilinear)
        {
            using var none = no_grad();
            (_padded, logits) = Multiply(queries.detach(), candidates.detach());
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

    /// <inheritdoc/>
    public override BranchOutput Output { get; }

    /// <inheritdoc/>
    public override Tensor Losses => _gradient.Losses;

    /// <inheritdoc/>
    public override Tensor? Norm { get; }

    /// <inheritdoc/>
    public override Tensor? Relations { get; }

    /// <inheritdoc/>
    public override (Tensor Root, Tensor Gradient)[] Roots(Tensor factor, Tensor? others)
    {
        using var none = no_grad();
        factor = factor / _batch.TotalWeight;
        if (_recorded is not null)
        {
            return [(_recorded, _gradient.Of(factor, others, keepLogits: true))];
        }

        var gradient = _gradient.Of(factor, others, keepLogits: false); // [queries, columns]
        return
        [
            (_queries, gradient.mm(_padded!)),
            (_candidates, gradient.t().mm(_queries.detach()).narrow(0, 0, _candidates.shape[0])),
            (_loops, gradient.gather(1, _batch.Heads.unsqueeze(1)).squeeze(1)),
        ];
    }
}
