using static TorchSharp.torch;

namespace Moodle.Models;

/// <summary>
/// Distinct queries with all their training answers: one row of logits serves every triple of its query. The 1-vs-all loss summed
/// over triples is the same as if each triple had a row of its own, at a fraction of the products.
/// </summary>
/// <param name="Heads">int64 [queries]: the known entity.</param>
/// <param name="Relations">int64 [queries], 0 to 2|R|-1.</param>
/// <param name="Weights">float32 [queries]: triples of the query.</param>
/// <param name="AnswerRows">int64 [answers]: the query of each answer.</param>
/// <param name="Answers">int64 [answers]: answering entities.</param>
/// <param name="AnswerWeights">float32 [answers]: how many triples state the answer.</param>
/// <param name="TotalWeight">The number of triples.</param>
public sealed record QueryBatch(
    Tensor Heads, Tensor Relations, Tensor Weights, Tensor AnswerRows, Tensor Answers, Tensor AnswerWeights, double TotalWeight)
{
    /// <summary>The number of queries.</summary>
    public long Count => Heads.shape[0];
}
