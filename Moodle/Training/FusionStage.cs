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
    private readonly KnownAnswers _seen;
    private readonly KnownAnswers _known;
    private readonly QueryBatches _batches;
    private readonly QueryBatches _heldOut;
    private readonly Validator _validator;
    private readonly Device _device;
    private readonly ParameterOptimizer _vectorOptimizer;
    private readonly ParameterOptimizer _balanceOptimizer;
    private readonly Tensor[] _available;
    private Tensor[]? _frozen;
    private SplitMix64 _random = new(0);

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
        (_config, _model, _fusion, _seen, _known, _validator, _device) = (config, model, fusion, seen, known, validator, device);
        _batches = new QueryBatches(queries, config.Training.BatchSize, config.Training.AnswersPerRow);
        _heldOut = new QueryBatches(heldOut, config.Training.BatchSize, config.Training.AnswersPerRow);
        _available = [.. model.Branches.Select(branch => branch.Available)];
        _vectorOptimizer = OptimizerFactory.Create(config.Training.Fusion.Optimizer, model.FusedVectorParameters());
        // Decay draws a relation with few held-out triples to the balance that all relations share.
        _balanceOptimizer = new FusedAdamW(model.BalanceParameters(), config.Training.Fusion.BalanceDecay);
        LossNames = model.Contrast is null ? ["fused", "held_out"] : ["fused", "contrast_modalities", "contrast_queries", "held_out"];
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
    public override IReadOnlyList<ParameterOptimizer> Optimizers => [_vectorOptimizer, _balanceOptimizer];

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
        _random = SplitMix64.ForStream((ulong)_config.Seed, ((ulong)epoch << 32) | (uint)step);
        var terms = LearnVectors(step);
        return stack([.. terms, LearnBalance(step % _heldOut.Count)]).detach();
    }

    // The fused vectors learn what the branches learned, from the same triples, as a predictor of its own.
    private Tensor[] LearnVectors(int step)
    {
        _vectorOptimizer.ZeroGrad();
        var batch = _batches.Get(step, _device);
        var (candidates, outputs) = Branches(batch);
        var fusedCandidates = _fusion.Candidates(candidates, _available); // [|E|, hidden]
        var output = _fusion.Forward(outputs, fusedCandidates, batch.Relations);
        Tensor[] terms = [OneVsAllLoss.PerQuery(output.Own, batch, _config.Training.LabelSmoothing).sum() / batch.TotalWeight];
        if (_model.Contrast is { } contrast)
        {
            var (answers, known) = AnswersOf(_seen, _batches.QueriesOf(step));
            terms =
            [
                .. terms, BetweenModalities(contrast, candidates, batch),
                contrast.BetweenQueriesAndAnswers(output.Queries, fusedCandidates, answers, known, output.Own),
            ];
        }

        terms.Aggregate((a, b) => a + b).backward();
        if (_config.Training.ClipNorm > 0)
        {
            using var norm = Gradients.ClipNorm(_model.FusedVectorParameters().Select(entry => entry.Parameter), _config.Training.ClipNorm);
        }

        _vectorOptimizer.Step(_config.Training.Fusion.LearningRate);
        return terms;
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
        var (_, known) = AnswersOf(_known, _heldOut.QueriesOf(step));
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

    // One answer of each query, int64 [queries], and all of them, bool [queries, |E|]. The fused vectors get those that the branches have seen:
    // a held-out answer among them would tell the balance to trust the fused score.
    private (Tensor Answers, Tensor Known) AnswersOf(KnownAnswers source, (int Entity, int Relation)[] queries)
    {
        var (answers, known) = (new long[queries.Length], new List<long>());
        for (var row = 0; row < queries.Length; row++)
        {
            var own = source[queries[row].Entity, queries[row].Relation];
            answers[row] = own[_random.NextInt(own.Length)];
            foreach (var answer in own)
            {
                known.Add(((long)row * _model.EntityCount) + answer);
            }
        }

        var mask = zeros((long)queries.Length * _model.EntityCount, dtype: ScalarType.Bool, device: _device)
            .index_fill_(0, tensor(known.ToArray(), device: _device), true).view(queries.Length, _model.EntityCount);
        return (tensor(answers, device: _device), mask);
    }
}
