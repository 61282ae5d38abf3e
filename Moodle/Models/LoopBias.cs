using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Models;

/// <summary>
/// What each relation thinks of an entity as its own answer: a learned number on the logit of the query's own entity. Bilinear scorers cannot
/// say that a symmetric relation such as <c>borders</c> never holds between an entity and itself: the self is what scores highest.
/// </summary>
internal sealed class LoopBias : nn.Module
{
    private readonly Parameter relations;

    /// <summary>Starts at zero.</summary>
    public LoopBias(int relationCount) : base(nameof(LoopBias))
    {
        relations = nn.Parameter(zeros(2L * relationCount));
        RegisterComponents();
    }

    /// <summary>The biases of queries' relations, int64 [queries]: [queries].</summary>
    public Tensor Of(Tensor relationIds) => relations.index_select(0, relationIds);

    /// <summary>Adds the bias.</summary>
    /// <param name="logits">[queries, |E|].</param>
    /// <param name="heads">int64 [queries].</param>
    /// <param name="relationIds">int64 [queries], 0 to 2|R|-1.</param>
    /// <returns>[queries, |E|].</returns>
    public Tensor Add(Tensor logits, Tensor heads, Tensor relationIds) =>
        logits.scatter_add(1, heads.unsqueeze(1), Of(relationIds).unsqueeze(1));
}
