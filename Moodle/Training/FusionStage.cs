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
    private readonly TrainingQueries _queries;
    private readonly TrainingQueries _heldOutQueries;
    private readonly AnswerMask _known;
    private readonly QueryBatches _batches;
    private readonly QueryBatches _heldOut;
    private readonly Validator _validator;
    private readonly Device _device;
    private readonly FusedVectorTask _vectors;
    private readonly ParameterOptimizer _balanceOptimizer;
    private readonly Tensor[] _available;
    private FrozenBranches? _frozen;
    private Tensor? _signals;
    private Tensor? _heldOutSignals;
    private PathAnswers? _heldOutPaths;

    /// <summary>Prepares the stage.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="model">The model.</param>
    /// <param name="fusion">Its fusion.</param>
    /// <param name="queries">Queries of the triples that the branches have learned.</param>
    /// <param name="heldOut">Queries of the triples that they have not seen.</param>
    /// <param name="known">All training triples.</param>
    /// <param name="validator">Ranks validation.</param>
    /// <param name="device">Where the model is.</param>
    public FusionStage(MoodleConfig config, MultimodalModel model, Fusion fusion, TrainingQueries queries, TrainingQueries heldOut, KnownAnswers known, Validator validator, Device device)
    {
        (_config, _model, _fusion, _validator, _device) = (config, model, fusion, validator, device);
        (_queries, _heldOutQueries) = (queries, heldOut);
        _known = new AnswerMask(heldOut, known, model.EntityCount, device);
        _batches = new QueryBatches(queries, config.Training.BatchSize, config.Training.AnswersPerRow);
        _heldOut = new QueryBatches(heldOut, config.Training.BatchSize, config.Training.AnswersPerRow);
        _available = [.. model.Branches.Select(branch => branch.Available)];
        _vectors = new FusedVectorTask(config, model, fusion, queries, device);
        // Decay draws a relation with few held-out triples to the balance that all relations share.
        _balanceOptimizer = new FusedAdamW(model.BalanceParameters(), config.Training.Fusion.BalanceDecay);
        BalanceParts = new BatchParts(_heldOut, _balanceOptimizer, device);
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

    /// <summary>How batches of the balance are learned.</summary>
    internal BatchParts BalanceParts { get; }

    /// <inheritdoc/>
    public override int BeginEpoch(int epoch, SplitMix64 random)
    {
        _batches.Shuffle(random);
        _heldOut.Shuffle(random);
        _vectors.BeginEpoch(epoch, _batches);
        return _batches.Count;
    }

    /// <inheritdoc/>
    public override Tensor Step(int epoch, int step)
    {
        var frozen = _frozen ??= Freeze();
        Tensor[] terms;
        using (Part("fused vectors"))
        {
            var (queries, available) = frozen.Ask(_batches.Get(step, _device));
            var signals = _signals!.index_select(0, _batches.QueriesOf(step, _device));
            terms = _vectors.Step(_batches, step, frozen.Directions, new FusionInput(queries, available, signals));
        }

        using (Part("balance"))
        {
            return stack([.. terms, LearnBalance(frozen, step % _heldOut.Count)]).detach();
        }
    }

    private FrozenBranches Freeze()
    {
        using var part = Part("confidences");
        var frozen = new FrozenBranches(_model, _device);
        _signals = frozen.Signals(_queries, _config.Training.BatchSize);
        _heldOutPaths = _model.Paths is { } paths ? new PathAnswers(paths, _model.Facts!, _heldOutQueries) : null;
        _heldOutSignals = frozen.Signals(_heldOutQueries, _config.Training.BatchSize, _heldOutPaths);
        return frozen;
    }

    // Whom to trust is learned from triples that none of the predictors has seen, filtered, as ranking is: what is known to be true
    // already is no wrong answer to what is held out.
    private Tensor LearnBalance(FrozenBranches frozen, int step)
    {
        var (queries, rows) = (_heldOut.QueriesOf(step), _heldOut.QueriesOf(step, _device));
        Tensor fusedCandidates;
        using (no_grad())
        {
            fusedCandidates = _fusion.Candidates(frozen.Directions, _available);
        }

        var losses = BalanceParts.Learn(step, Learn, loss => [loss], text => Message($"{Name}: balance: {text}"));
        _balanceOptimizer.Step(_config.Training.Fusion.BalanceRate);
        return losses.Aggregate((a, b) => a + b);

        Tensor Learn(QueryBatch batch, int first)
        {
            var outputs = frozen.Answer(batch.Heads, batch.Relations);
            var asked = rows.narrow(0, first, batch.Count);
            var part = queries.AsSpan(first, (int)batch.Count);
            var known = _known.Of(part, asked);
            Tensor[] paths = _heldOutPaths is null ? [] : [_heldOutPaths.Of(part)];
            var others = known.view(-1).index_fill_(0, (batch.AnswerRows * known.shape[1]) + batch.Answers, false).view_as(known);
            var learned = _fusion.Weigh(outputs, paths, _heldOutSignals!.index_select(0, asked), fusedCandidates, batch, others);
            Gradients.Backward(learned.Roots());
            return learned.Losses.sum() / batch.TotalWeight;
        }
    }

    /// <inheritdoc/>
    public override IReadOnlyList<(string Branch, Metrics Metrics)> Validate(Action<int, int> progress, CancellationToken cancellation) =>
        _validator.Run(_model, untrainedFusion: false, progress, cancellation);

    /// <inheritdoc/>
    public override void Dispose()
    {
        _frozen?.Dispose();
        _signals?.Dispose();
        _heldOutSignals?.Dispose();
        _heldOutPaths?.Dispose();
        _known.Dispose();
        _vectors.Dispose();
        _batches.Dispose();
        _heldOut.Dispose();
        base.Dispose();
    }
}
