using Moodle.Configuration;
using Moodle.Graphs;
using Moodle.Models;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>
/// What the fused vectors learn: to answer training triples as a predictor of its own, from the branches' vectors, with contrastive losses
/// beside the cross-entropy.
/// </summary>
internal sealed class FusedVectorTask
{
    private const int ContrastedEntities = 512;
    private readonly MoodleConfig _config;
    private readonly MultimodalModel _model;
    private readonly Fusion _fusion;
    private readonly KnownAnswers _seen;
    private readonly Device _device;
    private readonly Tensor[] _available;

    /// <summary>Prepares the task.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="model">The model.</param>
    /// <param name="fusion">Its fusion.</param>
    /// <param name="seen">The triples that the branches learn: a held-out answer among them would tell the balance to trust the fused score.</param>
    /// <param name="device">Where the model is.</param>
    public FusedVectorTask(MoodleConfig config, MultimodalModel model, Fusion fusion, KnownAnswers seen, Device device)
    {
        (_config, _model, _fusion, _seen, _device) = (config, model, fusion, seen, device);
        _available = [.. model.Branches.Select(branch => branch.Available)];
        Optimizer = OptimizerFactory.Create(config.Training.Fusion.Optimizer, model.FusedVectorParameters());
        LossNames = model.Contrast is null ? ["fused"] : ["fused", "contrast_modalities", "contrast_queries"];
    }

    /// <summary>The optimizer of the fused vectors; the stage that has the task disposes of it.</summary>
    public ParameterOptimizer Optimizer { get; }

    /// <summary>Names of the terms that <see cref="Step"/> returns.</summary>
    public IReadOnlyList<string> LossNames { get; }

    /// <summary>Learns from one batch; the branches get no gradient.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="queries">Its queries.</param>
    /// <param name="candidates">Per branch its candidates, detached: [|E|, size].</param>
    /// <param name="outputs">The branches' outputs, detached.</param>
    /// <param name="random">Chooses an answer for each query to contrast with.</param>
    /// <returns>Scalars, as <see cref="LossNames"/> names them.</returns>
    public Tensor[] Step(
        QueryBatch batch, (int Entity, int Relation)[] queries, IReadOnlyList<Tensor> candidates, IReadOnlyList<BranchOutput> outputs, SplitMix64 random)
    {
        Optimizer.ZeroGrad();
        var fusedCandidates = _fusion.Candidates(candidates, _available); // [|E|, hidden]
        var output = _fusion.Forward(outputs, fusedCandidates, batch.Relations);
        Tensor[] terms = [OneVsAllLoss.PerQuery(output.Own, batch, _config.Training.LabelSmoothing).sum() / batch.TotalWeight];
        if (_model.Contrast is { } contrast)
        {
            var answers = Array.ConvertAll(queries, query => Draw(_seen[query.Entity, query.Relation], random));
            terms =
            [
                .. terms, BetweenModalities(contrast, candidates, batch),
                contrast.BetweenQueriesAndAnswers(output.Queries, fusedCandidates, tensor(answers, device: _device),
                    AnswerMask.Of(_seen, queries, _model.EntityCount, _device), output.Own),
            ];
        }

        terms.Aggregate((a, b) => a + b).backward();
        if (_config.Training.ClipNorm > 0)
        {
            using var norm = Gradients.ClipNorm(_model.FusedVectorParameters().Select(entry => entry.Parameter), _config.Training.ClipNorm);
        }

        Optimizer.Step(_config.Training.Fusion.LearningRate);
        return terms;
    }

    private static long Draw(ReadOnlySpan<int> answers, SplitMix64 random) => answers[random.NextInt(answers.Length)];

    // Every pair of modalities, over those of the batch's entities that have both.
    private Tensor BetweenModalities(ContrastiveLoss contrast, IReadOnlyList<Tensor> candidates, QueryBatch batch)
    {
        var entities = cat([batch.Heads, batch.Answers], 0).unique().output; // [n]
        var terms = new List<Tensor>();
        for (var a = 0; a < candidates.Count; a++)
        {
            for (var b = a + 1; b < candidates.Count; b++)
            {
                var both = (_available[a] * _available[b]).index_select(0, entities).gt(0.5);
                var shared = entities.masked_select(both);
                if (shared.shape[0] > ContrastedEntities)
                {
                    shared = shared.index_select(0, randperm(shared.shape[0], device: shared.device).narrow(0, 0, ContrastedEntities));
                }

                if (shared.shape[0] > 1)
                {
                    terms.Add(contrast.BetweenModalities(
                        _fusion.Project(a, candidates[a].index_select(0, shared)), _fusion.Project(b, candidates[b].index_select(0, shared))));
                }
            }
        }

        return terms.Count == 0 ? zeros([], device: _device) : stack(terms).mean();
    }
}
