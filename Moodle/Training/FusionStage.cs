using Moodle.Configuration;
using Moodle.Evaluation;
using Moodle.Graphs;
using Moodle.Models;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>Stage 3: the fusion learns to weigh and join the branches' answers, with contrastive losses beside its cross-entropy.</summary>
internal sealed class FusionStage : Stage
{
    /// <summary>The stage's name.</summary>
    public const string StageName = "fusion";

    private const int ContrastedEntities = 512;
    private readonly MoodleConfig _config;
    private readonly MultimodalModel _model;
    private readonly Fusion _fusion;
    private readonly TrainingQueries _queries;
    private readonly QueryBatches _batches;
    private readonly Validator _validator;
    private readonly Device _device;
    private readonly ParameterOptimizer _optimizer;
    private readonly ParameterOptimizer? _branchOptimizer;
    private readonly Tensor[] _available;
    private Tensor[]? _frozen;
    private SplitMix64 _random = new(0);

    /// <summary>Prepares the stage.</summary>
    public FusionStage(MoodleConfig config, MultimodalModel model, Fusion fusion, TrainingQueries queries, Validator validator, Device device)
    {
        (_config, _model, _fusion, _queries, _validator, _device) = (config, model, fusion, queries, validator, device);
        _batches = new QueryBatches(queries, config.Training.BatchSize);
        _available = [.. model.Branches.Select(branch => branch.Available)];
        _optimizer = OptimizerFactory.Create(config.Training.Fusion.Optimizer, model.FusionParameters());
        if (config.Training.Fusion.BranchRate > 0)
        {
            _branchOptimizer = OptimizerFactory.Create(config.Training.Unimodal.Optimizer, model.UnimodalParameters());
        }

        LossNames = model.Contrast is null ? ["fusion"] : ["fusion", "contrast_modalities", "contrast_queries"];
    }

    /// <inheritdoc/>
    public override string Name => StageName;

    /// <inheritdoc/>
    public override int Epochs => _config.Training.Fusion.Epochs;

    /// <inheritdoc/>
    public override IReadOnlyList<string> LossNames { get; }

    /// <inheritdoc/>
    public override nn.Module Module => _model;

    /// <inheritdoc/>
    public override IReadOnlyList<ParameterOptimizer> Optimizers => _branchOptimizer is null ? [_optimizer] : [_optimizer, _branchOptimizer];

    /// <inheritdoc/>
    public override string Unit => "triples";

    /// <inheritdoc/>
    public override long UnitsPerEpoch => _batches.Triples;

    /// <inheritdoc/>
    public override IReadOnlyList<(string Branch, string Prefix)> Choices => [(MultimodalScorer.FusionName, "")];

    /// <inheritdoc/>
    public override int BeginEpoch(int epoch, SplitMix64 random)
    {
        _batches.Shuffle(random);
        return _batches.Count;
    }

    /// <inheritdoc/>
    public override Tensor Step(int epoch, int step)
    {
        _optimizer.ZeroGrad();
        _branchOptimizer?.ZeroGrad();
        _random = SplitMix64.ForStream((ulong)_config.Seed, ((ulong)epoch << 32) | (uint)step);
        var batch = _batches.Get(step, _device);
        var (candidates, outputs) = Branches(batch);
        var fusedCandidates = _fusion.Candidates(candidates, _available); // [|E|, hidden]
        var output = _fusion.Forward(outputs, fusedCandidates, batch.Relations);
        var logits = output.Logits(); // [queries, |E|]
        var task = OneVsAllLoss.PerQuery(logits, batch, _config.Training.LabelSmoothing).sum() / batch.TotalWeight;
        Tensor[] terms = [task];
        if (_model.Contrast is { } contrast)
        {
            terms = [task, BetweenModalities(contrast, candidates, batch), BetweenQueriesAndAnswers(contrast, output, fusedCandidates, logits, batch, step)];
        }

        terms.Aggregate((a, b) => a + b).backward();
        if (_config.Training.ClipNorm > 0)
        {
            using var norm = Gradients.ClipNorm(_model.FusionParameters().Select(entry => entry.Parameter), _config.Training.ClipNorm);
        }

        _optimizer.Step(_config.Training.Fusion.LearningRate);
        _branchOptimizer?.Step(_config.Training.Unimodal.LearningRate * _config.Training.Fusion.BranchRate);
        return stack(terms).detach();
    }

    /// <inheritdoc/>
    public override IReadOnlyList<(string Branch, Metrics Metrics)> Validate(Action<int, int> progress, CancellationToken cancellation) =>
        _validator.Run(_model, untrainedFusion: false, progress, cancellation);

    /// <inheritdoc/>
    public override void Dispose()
    {
        Array.ForEach(_frozen ?? [], tensor => tensor.Dispose());
        base.Dispose();
    }

    // Frozen branches answer without gradients, and their candidates never change.
    private (Tensor[] Candidates, BranchOutput[] Outputs) Branches(QueryBatch batch)
    {
        var branches = _model.Branches;
        BranchOutput[] Forward(Tensor[] candidates) =>
            [.. branches.Select((branch, m) => branch.Forward(candidates[m], batch.Heads, batch.Relations))];
        if (_branchOptimizer is not null)
        {
            var candidates = branches.Select(branch => branch.Candidates()).ToArray();
            return (candidates, Forward(candidates));
        }

        using var _ = no_grad();
        _frozen ??= [.. branches.Select(branch => branch.Candidates().detach().DetachFromDisposeScope())];
        foreach (var branch in branches)
        {
            branch.eval();
        }

        return (_frozen, Forward(_frozen));
    }

    // Every pair of modalities, over those of the batch's entities that have both.
    private Tensor BetweenModalities(ContrastiveLoss contrast, Tensor[] candidates, QueryBatch batch)
    {
        var entities = cat([batch.Heads, batch.Answers], 0).unique().output; // [n]
        var terms = new List<Tensor>();
        for (var a = 0; a < candidates.Length; a++)
        {
            for (var b = a + 1; b < candidates.Length; b++)
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

    private Tensor BetweenQueriesAndAnswers(ContrastiveLoss contrast, FusionOutput output, Tensor fusedCandidates, Tensor logits, QueryBatch batch, int step)
    {
        var queries = _batches.QueriesOf(step);
        var answers = new long[queries.Length];
        var known = new List<long>();
        for (var row = 0; row < queries.Length; row++)
        {
            var all = _queries.Answers(queries[row]);
            answers[row] = all[_random.NextInt(all.Length)];
            foreach (var answer in all)
            {
                known.Add(((long)row * _model.EntityCount) + answer);
            }
        }

        var mask = zeros(logits.shape[0] * logits.shape[1], dtype: ScalarType.Bool, device: _device)
            .index_fill_(0, tensor(known.ToArray(), device: _device), true).view_as(logits);
        return contrast.BetweenQueriesAndAnswers(output.Queries, fusedCandidates, tensor(answers, device: _device), mask, logits);
    }
}
