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

    private readonly MoodleConfig _config;
    private readonly MultimodalModel _model;
    private readonly Fusion _fusion;
    private readonly KnownAnswers _known;
    private readonly QueryBatches _batches;
    private readonly QueryBatches _heldOut;
    private readonly Validator _validator;
    private readonly Device _device;
    private readonly FusedVectorTask _vectors;
    private readonly ParameterOptimizer _balanceOptimizer;
    private readonly Tensor[] _available;
    private Tensor[]? _frozen;

    /// <summary>Prepares the stage.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="model">The model.</param>
    /// <param name="fusion">Its fusion.</param>
    /// <param name="queries">Queries of the triples that the branches have learned.</param>
    /// <param name="heldOut">Queries of the triples that they have not seen.</param>
    /// <param name="seen">The triples that the branches have learned.</param>
    /// <param name="known">All training triples.</param>
    /// <param name="validator">Ranks validation.</param>
    /// <param name="device">Where the model is.</param>
    public FusionStage(MoodleConfig config, MultimodalModel model, Fusion fusion, TrainingQueries queries, TrainingQueries heldOut, KnownAnswers seen, KnownAnswers known, Validator validator, Device device)
    {
        (_config, _model, _fusion, _known, _validator, _device) = (config, model, fusion, known, validator, device);
        _batches = new QueryBatches(queries, config.Training.BatchSize, config.Training.AnswersPerRow);
        _heldOut = new QueryBatches(heldOut, config.Training.BatchSize, config.Training.AnswersPerRow);
        _available = [.. model.Branches.Select(branch => branch.Available)];
        _vectors = new FusedVectorTask(config, model, fusion, seen, device);
        // Decay draws a relation with few held-out triples to the balance that all relations share.
        _balanceOptimizer = new FusedAdamW(model.BalanceParameters(), config.Training.Fusion.BalanceDecay);
        LossNames = [.. _vectors.LossNames, "held_out"];
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
    public override IReadOnlyList<ParameterOptimizer> Optimizers => [_vectors.Optimizer, _balanceOptimizer];

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
        _heldOut.Shuffle(random);
        return _batches.Count;
    }

    /// <inheritdoc/>
    public override Tensor Step(int epoch, int step)
    {
        Tensor[] terms;
        using (Part("fused vectors"))
        {
            var batch = _batches.Get(step, _device);
            var (candidates, outputs) = Branches(batch);
            var random = SplitMix64.ForStream((ulong)_config.Seed, ((ulong)epoch << 32) | (uint)step);
            terms = _vectors.Step(batch, _batches.QueriesOf(step), candidates, outputs, random);
        }

        using (Part("balance"))
        {
            return stack([.. terms, LearnBalance(step % _heldOut.Count)]).detach();
        }
    }

    // Whom to trust is learned from triples that none of the predictors has seen, filtered, as ranking is: what is known to be true
    // already is no wrong answer to what is held out.
    private Tensor LearnBalance(int step)
    {
        _balanceOptimizer.ZeroGrad();
        var batch = _heldOut.Get(step, _device);
        var (candidates, outputs) = Branches(batch);
        Tensor fusedCandidates;
        using (no_grad())
        {
            fusedCandidates = _fusion.Candidates(candidates, _available);
        }

        var logits = _fusion.Forward(outputs, fusedCandidates, batch.Relations).Logits(); // [queries, |E|]
        var known = AnswerMask.Of(_known, _heldOut.QueriesOf(step), _model.EntityCount, _device);
        var others = known.view(-1).index_fill_(0, (batch.AnswerRows * logits.shape[1]) + batch.Answers, false).view_as(known);
        var loss = OneVsAllLoss.PerQuery(logits.masked_fill(others, -1e4), batch, 0).sum() / batch.TotalWeight;
        loss.backward();
        _balanceOptimizer.Step(_config.Training.Fusion.BalanceRate);
        return loss;
    }

    /// <inheritdoc/>
    public override IReadOnlyList<(string Branch, Metrics Metrics)> Validate(Action<int, int> progress, CancellationToken cancellation) =>
        _validator.Run(_model, untrainedFusion: false, progress, cancellation);

    /// <inheritdoc/>
    public override void Dispose()
    {
        Array.ForEach(_frozen ?? [], tensor => tensor.Dispose());
        _batches.Dispose();
        _heldOut.Dispose();
        base.Dispose();
    }

    // Frozen branches answer without gradients, and their candidates never change.
    private (Tensor[] Candidates, BranchOutput[] Outputs) Branches(QueryBatch batch)
    {
        var branches = _model.Branches;
        using var _ = no_grad();
        _frozen ??= [.. branches.Select(branch => branch.Candidates().detach().DetachFromDisposeScope())];
        foreach (var branch in branches)
        {
            branch.eval();
        }

        return (_frozen, [.. branches.Select((branch, m) => branch.Forward(_frozen[m], batch.Heads, batch.Relations))]);
    }
}
