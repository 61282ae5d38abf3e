using static TorchSharp.torch;

namespace Moodle.Models;

/// <summary>
/// What ranking and prediction need of a trained model: logits of every entity for a batch of queries, by branch.
/// A query is (entity, relation, ?); relation ids from |R| to 2|R|-1 are the reciprocals, so that a head is asked as (tail, r + |R|, ?).
/// </summary>
public interface ILinkScorer
{
    /// <summary>Names of the branches in the order of <see cref="Score"/>: <c>fusion</c> first where there is one, then structure, text, image.</summary>
    IReadOnlyList<string> Branches { get; }

    /// <summary>|E|.</summary>
    int EntityCount { get; }

    /// <summary>|R|, without reciprocals.</summary>
    int RelationCount { get; }

    /// <summary>The device that queries are expected on.</summary>
    Device Device { get; }

    /// <summary>Logits of all candidates. Call inside <c>no_grad</c>; the caller owns the results and may overwrite them.</summary>
    /// <param name="entities">int64 [queries].</param>
    /// <param name="relations">int64 [queries], 0 to 2|R|-1.</param>
    /// <returns>One float32 tensor [queries, |E|] for each branch.</returns>
    IReadOnlyList<Tensor> Score(Tensor entities, Tensor relations);

    /// <summary>
    /// The parts that add up to the first branch's logits: one for each modality and, where there is fusion, one named
    /// <c>interaction</c>. Call inside <c>no_grad</c>; the caller owns the results.
    /// </summary>
    /// <param name="entities">int64 [queries].</param>
    /// <param name="relations">int64 [queries], 0 to 2|R|-1.</param>
    /// <returns>Part names with float32 tensors [queries, |E|].</returns>
    IReadOnlyList<(string Part, Tensor Scores)> Explain(Tensor entities, Tensor relations);
}
