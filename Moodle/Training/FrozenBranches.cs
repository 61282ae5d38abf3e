using Moodle.Graphs;
using Moodle.Models;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>
/// Branches that no longer learn: their candidates never change, nor how sure they are of a query's answers. Both are computed once for all epochs, so that
/// who does not need the logits does not wait for them.
/// </summary>
internal sealed class FrozenBranches : IDisposable
{
    private readonly MultimodalModel _model;
    private readonly Device _device;

    /// <summary>Takes the branches as they are now.</summary>
    public FrozenBranches(MultimodalModel model, Device device)
    {
        (_model, _device) = (model, device);
        using var none = no_grad();
        using var scope = NewDisposeScope();
        Candidates = [.. model.Branches.Select(branch => branch.Candidates().detach().DetachFromDisposeScope())];
        Directions = Array.ConvertAll(Candidates, candidates => Fusion.Directions(candidates).DetachFromDisposeScope());
    }

    /// <summary>Per branch [|E|, size].</summary>
    public Tensor[] Candidates { get; }

    /// <summary>Their <see cref="Fusion.Directions"/>.</summary>
    public Tensor[] Directions { get; }

    /// <summary>Per branch the queries of a batch, [queries, size], and whether their known ends have the modality, float32 [queries].</summary>
    public (Tensor[] Queries, Tensor[] Available) Ask(QueryBatch batch)
    {
        using var none = Freeze();
        return ([.. _model.Branches.Select((branch, m) => branch.Queries(Candidates[m], batch.Heads, batch.Relations))],
            [.. _model.Branches.Select(branch => branch.Available.index_select(0, batch.Heads))]);
    }

    /// <summary>The branches' outputs.</summary>
    public BranchOutput[] Answer(Tensor heads, Tensor relations)
    {
        using var none = Freeze();
        return [.. _model.Branches.Select((branch, m) => branch.Forward(Candidates[m], heads, relations))];
    }

    /// <summary>How sure the branches are of each query, as <see cref="Fusion.Signals"/> says: [queries, 3 · branches]. The caller owns it.</summary>
    /// <param name="queries">The queries.</param>
    /// <param name="rows">How many are asked at once.</param>
    /// <param name="others">What predictors beside the branches answer to them, where there are any; they come last.</param>
    public Tensor Signals(TrainingQueries queries, int rows, PathAnswers? others = null)
    {
        using var scope = NewDisposeScope();
        var parts = new List<Tensor>();
        for (var first = 0; first < queries.Count; first += rows)
        {
            using var part = NewDisposeScope();
            Tensor Chunk(ReadOnlySpan<int> all) => tensor(Array.ConvertAll(all[first..Math.Min(first + rows, all.Length)].ToArray(), id => (long)id), device: _device);
            var (heads, relations) = (Chunk(queries.Entities), Chunk(queries.Relations));
            var logits = Answer(heads, relations).Select(output => output.Logits).ToList();
            if (others is not null)
            {
                logits.Add(others.Of([.. Enumerable.Range(first, (int)heads.shape[0])]));
            }

            parts.Add(Fusion.Signals(logits).MoveToOuterDisposeScope());
        }

        return cat([.. parts], 0).DetachFromDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose() => Array.ForEach([.. Candidates, .. Directions], tensor => tensor.Dispose());

    // An epoch begins with all of the model in training.
    private IDisposable Freeze()
    {
        foreach (var branch in _model.Branches)
        {
            branch.eval();
        }

        return no_grad();
    }
}
