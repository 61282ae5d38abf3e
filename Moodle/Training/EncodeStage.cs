using System.Diagnostics;
using Moodle.Configuration;
using Moodle.Encoders;
using Moodle.Graphs;
using Moodle.Models;
using Moodle.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>Stage 1: an encoder learns from the training facts as a bi-encoder, then encodes every entity that has the modality.</summary>
/// <typeparam name="TEncoder">The encoder's type.</typeparam>
internal sealed class EncodeStage<TEncoder> : Stage
    where TEncoder : nn.Module, IEntityEncoder
{
    private const double WarmUp = 0.1;
    private readonly EncoderTrainingConfig _config;
    private readonly BiEncoder<TEncoder> _model;
    private readonly EncoderBatches _batches;
    private readonly ParameterOptimizer _optimizer;
    private readonly int _entityCount;
    private EncoderBatch[] _epoch = [];

    /// <summary>Prepares the stage.</summary>
    /// <param name="modality">The modality, for the stage's name.</param>
    /// <param name="config">How to train.</param>
    /// <param name="encoder">The encoder, on its device.</param>
    /// <param name="graph">The graph.</param>
    /// <param name="queries">Its training queries.</param>
    /// <param name="device">Where to train.</param>
    public EncodeStage(Modality modality, EncoderTrainingConfig config, TEncoder encoder, KnowledgeGraph graph, TrainingQueries queries, Device device)
    {
        (_config, _entityCount, Name) = (config, graph.Entities.Count, $"encode {MultimodalModel.NameOf(modality)}");
        _model = new BiEncoder<TEncoder>(encoder, graph.Entities.Count, graph.Relations.Count, config.Temperature);
        _model.to(device);
        _batches = new EncoderBatches(
            encoder, queries, graph.Entities.Count, config.BatchSize, config is TextTrainingConfig text ? text.MaxBatchTokens : long.MaxValue);
        _optimizer = new FusedAdamW(_model.named_parameters(), config.WeightDecay);
    }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override int Epochs => _config.Epochs;

    /// <inheritdoc/>
    public override IReadOnlyList<string> LossNames { get; } = ["contrast"];

    /// <inheritdoc/>
    public override nn.Module Module => _model;

    /// <inheritdoc/>
    public override IReadOnlyList<ParameterOptimizer> Optimizers => [_optimizer];

    /// <inheritdoc/>
    public override string Unit => "entities";

    /// <inheritdoc/>
    public override long UnitsPerEpoch => _batches.Seeds;

    /// <inheritdoc/>
    public override int BeginEpoch(int epoch, SplitMix64 random)
    {
        _epoch = [.. _batches.Epoch(random).Where(batch => batch.PairAnswers.Length > 0)];
        return _epoch.Length;
    }

    /// <inheritdoc/>
    public override Tensor Step(int epoch, int step)
    {
        _optimizer.ZeroGrad();
        Tensor loss;
        using (Part("forward"))
        {
            loss = _model.Loss(_epoch[step]);
        }

        using (Part("backward"))
        {
            loss.backward();
        }

        var done = (epoch + ((double)step / _epoch.Length)) / _config.Epochs;
        var rate = done < WarmUp ? (done + 1e-3) / (WarmUp + 1e-3) : 0.5 * (1 + Math.Cos(Math.PI * (done - WarmUp) / (1 - WarmUp)));
        using (Part("optimizer"))
        {
            _optimizer.Step(_config.LearningRate * rate);
        }

        return loss.detach().unsqueeze(0);
    }

    /// <summary>Encodes every entity that has the modality, in batches of bounded cost.</summary>
    /// <returns>Features on the CPU, and the entity of each row.</returns>
    public (EntityFeatures Features, int[] Entities) Encode(ITrainingMonitor monitor, CancellationToken cancellation)
    {
        const int LargestCost = 16384;
        const int MostEntities = 512;
        using var part = Part("features");
        using var _ = no_grad();
        _model.eval();
        var encoder = _model.Encoder;
        // Entities of like cost together: less time in attention, and no batch larger than it must be.
        var entities = Enumerable.Range(0, _entityCount).Where(encoder.Has).OrderBy(encoder.Cost).ToArray();
        var values = zeros(entities.Length, encoder.FeatureSize);
        var watch = Stopwatch.StartNew();
        for (int first = 0, next; first < entities.Length; first = next)
        {
            cancellation.ThrowIfCancellationRequested();
            var cost = encoder.Cost(entities[first]);
            for (next = first + 1; next < entities.Length && next - first < MostEntities && cost + encoder.Cost(entities[next]) <= LargestCost; next++)
            {
                cost += encoder.Cost(entities[next]);
            }

            using var scope = NewDisposeScope();
            values.narrow(0, first, next - first).copy_(encoder.Encode(entities.AsSpan(first..next)));
            monitor.Progress($"{Name}: features", next, entities.Length, Unit);
        }

        var seconds = watch.Elapsed.TotalSeconds;
        monitor.Message($"{Name}: {entities.Length:N0} {Unit} in {seconds:N1} s, {seconds * 1000 / Math.Max(1, entities.Length):N2} s per 1,000");
        return (new EntityFeatures(values, entities, _entityCount), entities);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        base.Dispose();
        _model.Dispose();
    }
}
