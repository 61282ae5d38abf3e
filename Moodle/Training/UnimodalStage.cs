using Moodle.Configuration;
using Moodle.Evaluation;
using Moodle.Graphs;
using Moodle.Models;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>
/// Stage 2, <c>unimodal</c>: every branch learns its own task, 1-vs-all over all entities, and from the others by mutual guidance. The last
/// stage, <c>refit</c>, is the same at a lower rate with all training triples; the fused vectors follow the branches, and what is best for
/// the fusion is kept.
/// </summary>
internal sealed class UnimodalStage : Stage
{
    /// <summary>The stage's name.</summary>
    public const string StageName = "unimodal";

    /// <summary>The name of the stage that goes on after the fusion.</summary>
    public const string RefitName = "refit";

    private readonly MoodleConfig _config;
    private readonly StageConfig _stage;
    private readonly FusedVectorTask? _fused;
    private readonly MultimodalModel _model;
    private readonly QueryBatches _batches;
    private (int Epoch, DealtEpoch Dealt)? _next; // dealt while the GPU was busy with the epoch before
    private readonly Validator _validator;
    private readonly Device _device;
    private readonly ParameterOptimizer _optimizer;
    private readonly float[] _triplesOfRelation;
    private readonly long _parameterCount;

    /// <summary>Prepares the stage.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="model">The model.</param>
    /// <param name="queries">Queries of the triples to learn.</param>
    /// <param name="validator">Ranks validation.</param>
    /// <param name="device">Where the model is.</param>
    /// <param name="fused">The fused vectors' task, which makes this the stage after the fusion.</param>
    public UnimodalStage(MoodleConfig config, MultimodalModel model, TrainingQueries queries, Validator validator, Device device, FusedVectorTask? fused = null)
    {
        (_config, _model, _validator, _device, _fused) = (config, model, validator, device, fused);
        _stage = fused is null ? config.Training.Unimodal : config.Training.Refit;
        _batches = new QueryBatches(queries, config.Training.BatchSize, config.Training.AnswersPerRow);
        _optimizer = OptimizerFactory.Create(_stage.Optimizer, model.UnimodalParameters());
        Parts = new BatchParts(_batches, _optimizer, device);
        _parameterCount = model.UnimodalParameters().Sum(entry => entry.Parameter.numel());
        _triplesOfRelation = new float[2 * model.RelationCount];
        for (var query = 0; query < queries.Count; query++)
        {
            _triplesOfRelation[queries.Relations[query]] += queries.Answers(query).Length;
        }

        var names = model.Branches.Select(branch => MultimodalModel.NameOf(branch.Modality)).ToArray();
        LossNames = [.. names, .. names.Select(name => $"{name}_n3"),
            .. model.Branches.Where(branch => branch.PredictsRelations).Select(branch => $"{MultimodalModel.NameOf(branch.Modality)}_relation"), .. model.Guidance is null ? [] : names.Select(name => $"{name}_guidance"), .. fused?.LossNames ?? []];
    }

    /// <inheritdoc/>
    public override string Name => _fused is not null ? RefitName : StageName;

    /// <inheritdoc/>
    public override int Epochs => _stage.Epochs;

    /// <inheritdoc/>
    public override IReadOnlyList<string> LossNames { get; }

    /// <inheritdoc/>
    public override nn.Module Module => _model;

    /// <inheritdoc/>
    public override IReadOnlyList<ParameterOptimizer> Optimizers => _fused is null ? [_optimizer] : [_optimizer, _fused.Optimizer];

    /// <inheritdoc/>
    public override string Unit => "triples";

    /// <inheritdoc/>
    public override long UnitsPerEpoch => _batches.Triples;

    /// <inheritdoc/>
    public override IReadOnlyList<(string Branch, string Prefix)> Choices =>
        _fused is not null ? [(MultimodalScorer.FusionName, "")] : [.. _model.Branches.Select(branch => MultimodalModel.NameOf(branch.Modality)).Select(name => (name, $"branches.{name}."))];

    /// <inheritdoc/>
    public override int BeginEpoch(int epoch, SplitMix64 random)
    {
        _batches.Begin(_next?.Epoch == epoch ? _next.Value.Dealt : _batches.Deal(random));
        _fused?.BeginEpoch(epoch, _batches);
        return _batches.Count;
    }

    /// <inheritdoc/>
    public override void ExpectEpoch(int epoch, SplitMix64 random) => _next = (epoch, _batches.Deal(random));

    /// <summary>How batches are learned.</summary>
    internal BatchParts Parts { get; }

    /// <inheritdoc/>
    public override Tensor Step(int epoch, int step)
    {
        var learned = Learned.Join(Parts.Learn(step, (part, first) => Learn(epoch, part, first == 0), part => part.All, text => Message($"{Name}: {text}")));
        _model.Guidance?.Observe(learned.Losses, _batches.Get(step, _device));
        // Parameter, gradient and the optimizer's sums are read, all but the gradient written.
        using (Part("optimizer", bytes: sizeof(float) * (_stage.Optimizer == OptimizerKind.AdamW ? 7.0 : 5.0) * _parameterCount))
        {
            _optimizer.Step(_stage.LearningRate);
        }

        if (_fused is null)
        {
            return learned.Terms;
        }

        using (Part("fused vectors"))
        {
            // The maps into the fused space would go stale while the branches move.
            return cat([learned.Terms, stack(_fused.Step(_batches, step, learned.Directions, learned.Input!)).detach()]);
        }
    }

    // What a batch leaves behind beside gradients: the loss terms [terms], per branch each query's loss [queries] and, for the fusion, its candidates'
    // directions [|E|, size] and what else it hears.
    private sealed record Learned(Tensor Terms, Tensor[] Losses, Tensor[] Directions, FusionInput? Input)
    {
        public IEnumerable<Tensor> All => [Terms, .. Losses, .. Directions, .. Input is null ? [] : (Tensor[])[.. Input.Queries, .. Input.Available, Input.Signals]];

        // Of parts with the same total weight: terms add up, rows follow each other.
        public static Learned Join(IReadOnlyList<Learned> parts)
        {
            Tensor Rows(Func<Learned, Tensor> of) => cat([.. parts.Select(of)], 0);
            return parts.Count == 1 ? parts[0] : new Learned(
                stack([.. parts.Select(part => part.Terms)]).sum([0]),
                [.. parts[0].Losses.Select((_, m) => Rows(part => part.Losses[m]))],
                parts[0].Directions,
                parts[0].Input is not { } input ? null : new FusionInput(
                    [.. input.Queries.Select((_, m) => Rows(part => part.Input!.Queries[m]))],
                    [.. input.Available.Select((_, m) => Rows(part => part.Input!.Available[m]))],
                    Rows(part => part.Input!.Signals)));
        }
    }

    private Learned Learn(int epoch, QueryBatch batch, bool first)
    {
        var branches = _model.Branches;
        var (tasks, norms, relations) = (new Tensor[branches.Count], new Tensor[branches.Count], new List<Tensor>());
        Tensor[] candidates, factors, guides, guided;
        BranchStep[] steps;
        // One product of queries and candidates for each branch, and one of answers' pairs and relations where these are predicted; each logit written once, and read once
        // by the softmax.
        var products = 2.0 * branches.Sum(branch => branch.Size
            * (((double)batch.Count * _model.EntityCount) + (branch.PredictsRelations ? 2.0 * batch.Answers.shape[0] * _model.RelationCount : 0)));
        var logitBytes = sizeof(float) * (double)batch.Count * _model.EntityCount * branches.Count;
        var total = new List<Tensor>();
        using (Part("forward", products, 2 * logitBytes))
        {
            candidates = [.. branches.Select(branch => branch.Candidates())]; // [|E|, size] each
            steps = [.. branches.Select((branch, m) => branch.Train(candidates[m], batch, _config.Training.LabelSmoothing))];
            factors = [.. branches.Select((_, m) => _model.LogVariances is { } variances ? (-variances[m]).exp() : ones([], device: _device))];
            (guides, guided) = Guide(epoch, batch, steps);
            for (var m = 0; m < branches.Count; m++)
            {
                tasks[m] = steps[m].Losses.sum() / batch.TotalWeight;
                norms[m] = steps[m].Norm ?? zeros([], device: _device);
                // Tasks and guides are numbers here: their gradients enter where the logits are cut off.
                var own = guides.Length == 0 ? tasks[m] + norms[m] : tasks[m] + norms[m] + guides[m];
                if (steps[m].Relations is { } told)
                {
                    relations.Add(told);
                    own = own + told;
                }

                if (own.requires_grad || _model.LogVariances is not null)
                {
                    total.Add(_model.LogVariances is not { } variances ? own : first ? (own * factors[m]) + variances[m] : own * factors[m]);
                }
            }
        }

        FusionInput? input = null;
        if (_fused is not null)
        {
            using var part = Part("confidences");
            // Before the gradients take the logits' memory.
            input = FusionInput.Of(Array.ConvertAll(steps, each => each.Output.Detach()));
        }

        // Their gradients: made from the logits, and read by a product for the queries' and one for the candidates' gradient.
        using (Part("backward", 2 * products, 4 * logitBytes))
        {
            factors = Array.ConvertAll(factors, factor => factor.detach());
            var roots = steps.SelectMany((each, m) => each.Roots(factors[m], guided.Length == 0 ? null : _model.LogVariances is null ? guided[m] : guided[m] * factors[m]))
                .Concat(total.Select(term => (term, ones_like(term)))).ToArray();
            Gradients.Backward(roots);
        }

        return new Learned(stack([.. tasks, .. norms, .. relations, .. guides]).detach(), [.. steps.Select(each => each.Losses)],
            first && _fused is not null ? Array.ConvertAll(candidates, x => Fusion.Directions(x.detach())) : [], input);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<(string Teacher, string Student, double Trust)> Trust()
    {
        if (_model.Guidance is not { } guidance)
        {
            return [];
        }

        using var scope = NewDisposeScope();
        var trust = guidance.MeanTrust(tensor(_triplesOfRelation, device: _device)).data<float>().ToArray();
        var names = _model.Branches.Select(branch => MultimodalModel.NameOf(branch.Modality)).ToArray();
        return [.. from teacher in Enumerable.Range(0, names.Length)
                   from student in Enumerable.Range(0, names.Length)
                   where teacher != student
                   select (names[teacher], names[student], (double)trust[(teacher * names.Length) + student])];
    }

    private (Tensor[] Losses, Tensor[] Gradients) Guide(int epoch, QueryBatch batch, BranchStep[] steps)
    {
        var warm = _fused is not null ? 1 : Math.Min(1, (epoch + 1.0) / Math.Max(1, _config.Guidance.WarmupEpochs));
        return _model.Guidance is { } guidance ? guidance.Guide([.. steps.Select(each => each.Output)], batch, _config.Guidance.Weight * warm) : ([], []);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<(string Branch, Metrics Metrics)> Validate(Action<int, int> progress, CancellationToken cancellation) =>
        _validator.Run(_model, untrainedFusion: _fused is null, progress, cancellation);

    /// <inheritdoc/>
    public override void Dispose()
    {
        _fused?.Dispose();
        _batches.Dispose();
        base.Dispose();
    }
}
