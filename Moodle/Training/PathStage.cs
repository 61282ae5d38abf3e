using Moodle.Configuration;
using Moodle.Evaluation;
using Moodle.Graphs;
using Moodle.Models;
using Moodle.Models.Paths;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>
/// Stage <c>paths</c>: the path network learns to answer training triples, 1-vs-all over all entities, by paths that do not lead along them. They lead along all other
/// training triples, those that are held out for the fusion too: a sparser graph would train it for another one than it answers on.
/// </summary>
internal sealed class PathStage : Stage
{
    /// <summary>The stage's name.</summary>
    public const string StageName = "paths";

    private const double WarmUp = 0.05;
    private readonly PathConfig _config;
    private readonly MultimodalModel _model;
    private readonly PathNetwork _network;
    private readonly PathGraph _graph;
    private readonly QueryBatches _batches;
    private readonly Validator _validator;
    private readonly Device _device;
    private readonly ParameterOptimizer _optimizer;

    /// <summary>Prepares the stage.</summary>
    /// <param name="config">How to train.</param>
    /// <param name="model">The model, which has paths.</param>
    /// <param name="queries">Queries of the triples to learn.</param>
    /// <param name="validator">Ranks validation, by paths along all training triples.</param>
    /// <param name="device">Where the model is.</param>
    public PathStage(PathConfig config, MultimodalModel model, TrainingQueries queries, Validator validator, Device device)
    {
        (_config, _model, _network, _graph, _validator, _device) = (config, model, model.Paths!, model.Facts!, validator, device);
        _batches = new QueryBatches(queries, config.BatchSize, config.AnswersPerRow);
        _optimizer = new FusedAdamW(model.PathParameters(), config.WeightDecay);
        Parts = new BatchParts(_batches, _optimizer, device);
    }

    /// <inheritdoc/>
    public override string Name => StageName;

    /// <inheritdoc/>
    public override int Epochs => _config.Epochs;

    /// <inheritdoc/>
    public override IReadOnlyList<string> LossNames { get; } = [MultimodalModel.PathsName];

    /// <inheritdoc/>
    public override nn.Module Module => _model;

    /// <inheritdoc/>
    public override IReadOnlyList<ParameterOptimizer> Optimizers => [_optimizer];

    /// <inheritdoc/>
    public override string Unit => "triples";

    /// <inheritdoc/>
    public override long UnitsPerEpoch => _batches.Triples;

    /// <inheritdoc/>
    public override IReadOnlyList<(string Branch, string Prefix)> Choices => [(MultimodalModel.PathsName, $"{MultimodalModel.PathsName}.")];

    /// <summary>How batches are learned.</summary>
    internal BatchParts Parts { get; }

    /// <inheritdoc/>
    public override int BeginEpoch(int epoch, SplitMix64 random)
    {
        _batches.Shuffle(random);
        return _batches.Count;
    }

    /// <inheritdoc/>
    public override Tensor Step(int epoch, int step)
    {
        var losses = Parts.Learn(step, (part, _) => Learn(part, _batches.Get(step, _device)), loss => [loss], text => Message($"{Name}: {text}"));
        var done = (epoch + ((double)step / _batches.Count)) / _config.Epochs;
        var rate = done < WarmUp ? (done + 1e-3) / (WarmUp + 1e-3) : 0.5 * (1 + Math.Cos(Math.PI * (done - WarmUp) / (1 - WarmUp)));
        using (Part("optimizer"))
        {
            _optimizer.Step(_config.LearningRate * rate);
        }

        return losses.Aggregate((a, b) => a + b).unsqueeze(0);
    }

    private Tensor Learn(QueryBatch part, QueryBatch whole)
    {
        Tensor logits;
        using (Part("forward"))
        {
            // Of the whole batch, so that its parts see the same graph.
            var hidden = _graph.Hide(whole.Heads.index_select(0, whole.AnswerRows), whole.Relations.index_select(0, whole.AnswerRows), whole.Answers);
            logits = _network.Forward(_graph, part.Heads, part.Relations, hidden); // [queries, |E|]
        }

        using (Part("backward"))
        {
            OneVsAllGradient cut;
            Tensor gradient;
            using (no_grad())
            {
                cut = new OneVsAllGradient(logits.detach(), _graph.EntityCount, part, 0);
                gradient = cut.Of(full([], 1 / part.TotalWeight, device: _device), null, keepLogits: true);
            }

            Gradients.Backward([(logits, gradient)]);
            return cut.Losses.sum() / part.TotalWeight;
        }
    }

    /// <inheritdoc/>
    public override IReadOnlyList<(string Branch, Metrics Metrics)> Validate(Action<int, int> progress, CancellationToken cancellation) =>
        _validator.Run(new PathScorer(_network, _model.Facts!), progress, cancellation);

    /// <inheritdoc/>
    public override void Dispose()
    {
        _batches.Dispose();
        base.Dispose();
    }
}
