using Moodle.Models.Paths;
using static TorchSharp.torch;

namespace Moodle.Models;

/// <summary>
/// A trained model frozen for ranking: candidates of all branches are computed once, not for every batch. Holds tensors of its own until disposed.
/// </summary>
public sealed class MultimodalScorer : ILinkScorer, IDisposable
{
    /// <summary>The name of the fusion among the branches.</summary>
    public const string FusionName = "fusion";

    /// <summary>The name under which the plain mean of all predictors' logits stands in for a fusion that is not trained yet.</summary>
    public const string MeanName = "mean";

    private readonly MultimodalModel _model;
    private readonly bool _mean;
    private readonly string[] _predictors;
    private readonly Tensor[] _candidates;
    private readonly Tensor? _fused;
    private readonly Func<Tensor, Tensor, Tensor>? _paths;

    /// <summary>Takes the model as it is now.</summary>
    /// <param name="model">The model; it must not be trained while this is in use.</param>
    /// <param name="untrainedFusion">Whether the fusion is still to be trained: the predictors' mean is scored in its place.</param>
    /// <param name="paths">Whether the model's paths, where it has any, are asked beside an untrained fusion; they take longer than all the rest.</param>
    /// <param name="answers">What the model's paths answer to heads and relations, where that is known already; null asks them.</param>
    public MultimodalScorer(MultimodalModel model, bool untrainedFusion = false, bool paths = true, Func<Tensor, Tensor, Tensor>? answers = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        _model = model;
        if ((paths || !untrainedFusion) && model.Paths is { } network)
        {
            var scorer = new PathScorer(network, model.Facts!);
            _paths = answers ?? ((heads, relations) => scorer.Answer(heads, relations));
        }

        string[] names = [.. model.Names.Where(name => _paths is not null || name != MultimodalModel.PathsName)];
        _mean = untrainedFusion && names.Length > 1;
        model.eval();
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var candidates = model.Branches.Select(branch => branch.Candidates()).ToArray();
        _candidates = [.. candidates.Select(tensor => tensor.detach().DetachFromDisposeScope())];
        if (!untrainedFusion && model.FusionModule is { } fusion)
        {
            _fused = fusion.Candidates([.. _candidates.Select(Fusion.Directions)], [.. model.Branches.Select(branch => branch.Available)]).DetachFromDisposeScope();
        }

        (_predictors, Branches) = (names, [.. _mean ? names.Prepend(MeanName) : _fused is not null ? names.Prepend(FusionName) : names]);
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> Branches { get; }

    /// <summary>
    /// Hears, for every batch that is scored, whom the fusion trusts: the relations of the queries, int64 [queries], and the gate, float32
    /// [queries, branches without the fusion]. The tensors last as long as the call.
    /// </summary>
    public Action<Tensor, Tensor>? GateHeard { get; set; }

    /// <inheritdoc/>
    public int EntityCount => _model.EntityCount;

    /// <inheritdoc/>
    public int RelationCount => _model.RelationCount;

    /// <inheritdoc/>
    public Device Device => _candidates[0].device;

    /// <inheritdoc/>
    public IReadOnlyList<Tensor> Score(Tensor entities, Tensor relations)
    {
        using var scope = NewDisposeScope();
        var (outputs, others) = Outputs(entities, relations);
        var logits = outputs.Select(output => output.Logits).Concat(others);
        if (_mean)
        {
            logits = logits.Prepend(MeanParts(outputs, others).Aggregate((a, b) => a + b));
        }
        else if (_fused is not null)
        {
            var fusion = _model.FusionModule!.Forward(outputs, _fused, relations, others);
            GateHeard?.Invoke(relations, fusion.Gate);
            logits = logits.Prepend(fusion.Logits());
        }

        return [.. logits.Select(tensor => tensor.MoveToOuterDisposeScope())];
    }

    /// <inheritdoc/>
    public IReadOnlyList<(string Part, Tensor Scores)> Explain(Tensor entities, Tensor relations)
    {
        using var scope = NewDisposeScope();
        var (outputs, others) = Outputs(entities, relations);
        IReadOnlyList<Tensor> parts = [outputs[0].Logits];
        var names = _predictors;
        if (_mean)
        {
            parts = MeanParts(outputs, others);
        }
        else if (_fused is not null)
        {
            var fusion = _model.FusionModule!.Forward(outputs, _fused, relations, others);
            parts = [.. fusion.Parts, fusion.Fused];
            names = [.. names, "interaction"];
        }

        return [.. parts.Select((part, i) => (names[i], part.MoveToOuterDisposeScope()))];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _fused?.Dispose();
        Array.ForEach(_candidates, tensor => tensor.Dispose());
    }

    // What the branches say, and logits of the other predictors.
    private (BranchOutput[] Outputs, Tensor[] Others) Outputs(Tensor entities, Tensor relations) =>
        ([.. _model.Branches.Select((branch, m) => branch.Forward(_candidates[m], entities, relations))], _paths is null ? [] : [_paths(entities, relations)]);

    // Branches that lack the query's known end do not take part in its mean.
    private static Tensor[] MeanParts(BranchOutput[] outputs, Tensor[] others)
    {
        var count = outputs.Select(output => output.Available).Aggregate((a, b) => a + b).add(others.Length).clamp_min(1); // [queries]
        return [.. outputs.Select(output => output.Logits * (output.Available / count).unsqueeze(1)), .. others.Select(logits => logits / count.unsqueeze(1))];
    }
}
