using Moodle.Configuration;
using Moodle.Models;
using Moodle.Runtime;

namespace Moodle.Training;

/// <summary>Encodes with pre-trained encoders ahead of training, into the store that runs with the same inputs, weights and options take their features from.</summary>
public static class FeatureEncoding
{
    /// <summary>Encodes the modalities that have a pre-trained encoder.</summary>
    /// <param name="config">The configuration, with full paths.</param>
    /// <param name="only">One modality, or null for all that the configuration has.</param>
    /// <param name="monitor">Hears messages and progress.</param>
    /// <param name="cancellation">Stops after the batch at hand; another call goes on there.</param>
    /// <returns>For each modality the store, the entities in it and the length of a feature vector.</returns>
    /// <exception cref="InputException">Something given cannot be used.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static IReadOnlyList<(Modality Modality, string Store, int Entities, int Size)> Run(
        MoodleConfig config, Modality? only, ITrainingMonitor monitor, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(monitor);
        var modalities = config.Modalities.Order().Where(modality => (only ?? modality) == modality && FrozenFeatures.Has(config, modality)).ToArray();
        if (modalities.Length == 0)
        {
            throw new InputException(only is { } asked
                ? $"{MultimodalModel.NameOf(asked)}.encoder.pretrained.path: is not set, or 'modalities' lacks {MultimodalModel.NameOf(asked)}; an encoder that is trained encodes in 'moodle train'"
                : "text.encoder.pretrained.path, image.encoder.pretrained.path: neither is set for a modality that takes part; an encoder that is trained encodes in 'moodle train'");
        }

        if (!config.Data.Cache)
        {
            throw new InputException("data.cache: is false, so that no run would take what is encoded here; set it to true");
        }

        var device = Devices.Parse(config.Device);
        Devices.SetThreads(config.Threads);
        var graph = RunData.Read(config.Data);
        var (triples, _) = HoldOut.Divide(graph, config);
        var frozen = new FrozenFeatures(config, graph, triples, device, monitor, cancellation);
        var stores = new List<(Modality, string, int, int)>();
        foreach (var modality in modalities)
        {
            var key = frozen.KeyOf(modality);
            var store = FeatureStore.CacheOf(modality, key);
            var known = FeatureStore.Read(store, key, graph.Entities.Count);
            if (known is not null)
            {
                monitor.Message($"encode {MultimodalModel.NameOf(modality)}: nothing to do, the store is there");
            }

            var features = known ?? frozen.Encode(modality, key, store);
            stores.Add((modality, store, features.Present, features.Size));
        }

        return stores;
    }
}
