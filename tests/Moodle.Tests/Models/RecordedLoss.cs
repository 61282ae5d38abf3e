using Moodle.Models;
using static TorchSharp.torch;

namespace Moodle.Tests.Models;

/// <summary>What <see cref="OneVsAllGradient"/> computes, by operations that autograd records.</summary>
internal static class RecordedLoss
{
    /// <summary>Cross-entropy of each query, summed over its triples: w·logΣexp(z) − Σ_answers w·z, with optional label smoothing.</summary>
    /// <param name="logits">[queries, |E|].</param>
    /// <param name="batch">The queries' answers.</param>
    /// <param name="smoothing">Share of the target spread evenly over all entities.</param>
    /// <returns>[queries]; its sum divided by the batch's total weight is the mean over triples.</returns>
    public static Tensor PerQuery(Tensor logits, QueryBatch batch, double smoothing)
    {
        ArgumentNullException.ThrowIfNull(logits);
        ArgumentNullException.ThrowIfNull(batch);
        var entities = logits.shape[1];
        var positions = (batch.AnswerRows * entities) + batch.Answers;
        var gold = logits.reshape(-1).index_select(0, positions) * batch.AnswerWeights; // [answers]
        var target = zeros_like(batch.Weights).index_add(0, batch.AnswerRows, gold, 1); // [queries]
        if (smoothing > 0)
        {
            target = (target * (1 - smoothing)) + (logits.mean([1]) * batch.Weights * smoothing);
        }

        return (logits.logsumexp(1) * batch.Weights) - target;
    }
}
