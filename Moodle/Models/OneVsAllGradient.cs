using static TorchSharp.torch;

namespace Moodle.Models;

/// <summary>
/// The 1-vs-all cross-entropy of logits and its gradient, outside of autograd: recorded step by step, the same takes a dozen passes over [queries, |E|] where
/// three are enough, and as many buffers.
/// </summary>
internal sealed class OneVsAllGradient
{
    private readonly Tensor _logits;
    private readonly QueryBatch _batch;
    private readonly double _smoothing;
    private readonly long _entities;
    private readonly Tensor _places;
    private readonly Tensor _logSums;

    /// <summary>Takes the logits of a batch.</summary>
    /// <param name="logits">[queries, columns]; columns past the entities hold -∞.</param>
    /// <param name="entities">|E|.</param>
    /// <param name="batch">The queries' answers.</param>
    /// <param name="smoothing">Share of the target spread evenly over all entities.</param>
    public OneVsAllGradient(Tensor logits, long entities, QueryBatch batch, double smoothing)
    {
        (_logits, _entities, _batch, _smoothing) = (logits, entities, batch, smoothing);
        _places = (batch.AnswerRows * logits.shape[1]) + batch.Answers; // [answers], in the flat logits
        _logSums = logits.logsumexp(1, keepdim: true); // [queries, 1]
        var gold = logits.view(-1).index_select(0, _places) * batch.AnswerWeights; // [answers]
        var target = zeros_like(batch.Weights).index_add_(0, batch.AnswerRows, gold, 1); // [queries]
        if (smoothing > 0)
        {
            target = (target * (1 - smoothing)) + (OfEntities(logits).mean([1]) * batch.Weights * smoothing);
        }

        Losses = (_logSums.squeeze(1) * batch.Weights) - target;
    }

    /// <summary>
    /// Cross-entropy of each query, summed over its triples: w·logΣexp(z) − Σ_answers w·z, with label smoothing if asked for: [queries]. Their sum divided by
    /// the batch's total weight is the mean over triples.
    /// </summary>
    public Tensor Losses { get; }

    /// <summary>The gradient of the sum of all losses times a factor.</summary>
    /// <param name="factor">A scalar.</param>
    /// <param name="others">What other losses add to it, [queries, |E|], or null.</param>
    /// <param name="keepLogits">Whether the logits are still needed; their memory is used otherwise.</param>
    /// <returns>As the logits: [queries, columns].</returns>
    public Tensor Of(Tensor factor, Tensor? others, bool keepLogits)
    {
        var weights = _batch.Weights * factor; // [queries]
        var gradient = (keepLogits ? _logits - _logSums : _logits.sub_(_logSums)).exp_().mul_(weights.unsqueeze(1));
        gradient.view(-1).index_add_(0, _places, _batch.AnswerWeights * factor, _smoothing - 1);
        if (_smoothing > 0)
        {
            OfEntities(gradient).sub_((weights * (_smoothing / _entities)).unsqueeze(1));
        }

        if (others is not null)
        {
            OfEntities(gradient).add_(others);
        }

        return gradient;
    }

    private Tensor OfEntities(Tensor all) => all.narrow(1, 0, _entities);
}
