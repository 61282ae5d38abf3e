using Moodle.Configuration;
using Moodle.Evaluation;
using Moodle.Graphs;
using Moodle.Models;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>Stage 2: every branch learns its own task, 1-vs-all over all entities, and from the others by mutual guidance.</summary>
internal sealed class UnimodalStage : Stage
{
    /// <summary>The stage's name.</summary>
    public const string StageName = "unimodal";

    private readonly MoodleConfig _config;
    private readonly MultimodalModel _model;
    private readonly QueryBatches _batches;
    private readonly Validator _validator;
    private readonly Device _device;
    private readonly ParameterOptimizer _optimizer;

    /// <summary>Prepares the stage.</summary>
    public UnimodalStage(MoodleConfig config, MultimodalModel model, TrainingQueries queries, Validator validator, Device device)
    {
        (_config, _model, _validator, _device) = (config, model, validator, device);
        _batches = new QueryBatches(queries, config.Training.BatchSize);
        _optimizer = OptimizerFactory.Create(config.Training.Unimodal.Optimizer, model.UnimodalParameters());
        var names = model.Branches.Select(branch => MultimodalModel.NameOf(branch.Modality)).ToArray();
        LossNames = [.. names, .. names.Select(name => $"{name}_n3"), .. model.Guidance is null ? [] : names.Select(name => $"{name}_guidance")];
    }

    /// <inheritdoc/>
    public override string Name => StageName;

    /// <inheritdoc/>
    public override int Epochs => _config.Training.Unimodal.Epochs;

    /// <inheritdoc/>
    public override IReadOnlyList<string> LossNames { get; }

    /// <inheritdoc/>
    public override nn.Module Module => _model;

    /// <inheritdoc/>
    public override IReadOnlyList<ParameterOptimizer> Optimizers => [_optimizer];

    /// <inheritdoc/>
    public override string Unit => "triples";

    /// <inheritdoc/>
    public override long UnitsPerEpoch => _batches.Triples;

    /// <inheritdoc/>
    public override IReadOnlyList<(string Branch, string Prefix)> Choices =>
        [.. _model.Branches.Select(branch => MultimodalModel.NameOf(branch.Modality)).Select(name => (name, $"branches.{name}."))];

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
        var batch = _batches.Get(step, _device);
        var branches = _model.Branches;
        var candidates = branches.Select(branch => branch.Candidates()).ToArray(); // [|E|, size] each
        var outputs = branches.Select((branch, m) => branch.Forward(candidates[m], batch.Heads, batch.Relations)).ToArray();
        var losses = outputs.Select(output => OneVsAllLoss.PerQuery(output.Logits, batch, _config.Training.LabelSmoothing)).ToArray(); // [queries] each
        var (tasks, norms, guides) = (new Tensor[branches.Count], new Tensor[branches.Count], new Tensor[branches.Count]);
        var total = zeros([], device: _device);
        var strength = _config.Guidance.Weight * Math.Min(1, (epoch + 1.0) / Math.Max(1, _config.Guidance.WarmupEpochs));
        for (var m = 0; m < branches.Count; m++)
        {
            tasks[m] = losses[m].sum() / batch.TotalWeight;
            norms[m] = branches[m].Regularise(outputs[m], candidates[m], batch) ?? zeros([], device: _device);
            guides[m] = _model.Guidance is { } guidance ? guidance.Loss(m, outputs, batch) * strength : zeros([], device: _device);
            var own = tasks[m] + norms[m] + guides[m];
            if (_model.LogVariances is { } variances)
            {
                own = (own * (-variances[m]).exp()) + variances[m];
            }

            total = total + own;
        }

        _model.Guidance?.Observe(losses, batch);
        total.backward();
        _optimizer.Step(_config.Training.Unimodal.LearningRate);
        return stack(_model.Guidance is null ? [.. tasks, .. norms] : [.. tasks, .. norms, .. guides]).detach();
    }

    /// <inheritdoc/>
    public override IReadOnlyList<(string Branch, Metrics Metrics)> Validate(Action<int, int> progress, CancellationToken cancellation) =>
        _validator.Run(_model, untrainedFusion: true, progress, cancellation);
}
