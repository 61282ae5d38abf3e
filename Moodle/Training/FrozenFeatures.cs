using System.Collections.Immutable;
using System.Diagnostics;
using Moodle.Configuration;
using Moodle.Encoders;
using Moodle.Encoders.Pretrained;
using Moodle.Graphs;
using Moodle.Modalities;
using Moodle.Models;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>Features of a pre-trained, frozen encoder: computed once, in batches, resumable.</summary>
internal sealed class FrozenFeatures(
    MoodleConfig config, KnowledgeGraph graph, ImmutableArray<Triple> triples, Device device, ITrainingMonitor monitor, CancellationToken cancellation)
{
    // Raised when the code changes what features come out of the same inputs.
    private const string Version = "frozen 1";
    private const int ShownProblems = 5;

    /// <summary>Whether the configuration has a pre-trained encoder for a modality.</summary>
    public static bool Has(MoodleConfig config, Modality modality) => PretrainedOf(config, modality)?.Path is not null;

    /// <summary>A digest of everything that the features depend on: inputs, weights and options. Not of seed, device or training triples, unless documents hold those.</summary>
    public string KeyOf(Modality modality) => FeatureStore.KeyOf(modality == Modality.Text
        ?
        [
            Version, PretrainedFolder.Digest(config.Text.Encoder.Pretrained.Path!), $"{config.Text.Encoder.Pretrained with { Path = null }} {config.Text.Document.MaxTokens} {System.Text.Json.JsonSerializer.Serialize(config.Text.Encoder.Attention)}",
            string.Join('\n', graph.Entities.Labels), .. WrittenDocuments(),
        ]
        :
        [
            Version, PretrainedFolder.Digest(config.Image.Encoder.Pretrained.Path!), $"{config.Image.Encoder.Pretrained with { Path = null }}", string.Join('\n', graph.Entities.Labels),
            .. UsedPictures().SelectMany((paths, entity) => paths.Select(path => (path, entity))).AsParallel().AsOrdered().Select(picture => $"{picture.entity} {FeatureStore.ContentOf(picture.path)}"),
        ]);

    /// <summary>Encodes all that has the modality, going on where a journal of the same key ends.</summary>
    /// <param name="modality">Text or image.</param>
    /// <param name="key">Its <see cref="KeyOf"/>.</param>
    /// <param name="path">The store that is written.</param>
    /// <returns>The features.</returns>
    public EntityFeatures Encode(Modality modality, string key, string path)
    {
        var name = MultimodalModel.NameOf(modality);
        using var encoder = Open(modality, name);
        using var journal = new FeatureJournal(path + ".partial", key, encoder.FeatureSize);
        if (journal.Done > 0)
        {
            monitor.Message($"encode {name}: going on after {journal.Done:N0} of {encoder.Entities.Count:N0} entities");
        }

        var (before, earlier, clock) = (encoder.Entities.Take(journal.Done).Sum(entity => (long)encoder.Inputs(entity)), journal.Broken.Count, Stopwatch.StartNew());
        var total = encoder.Entities.Sum(entity => (long)encoder.Inputs(entity));
        EncodeBatches(encoder, journal, $"encode {name}", before, total);
        var seconds = Math.Max(1e-9, clock.Elapsed.TotalSeconds);
        foreach (var (file, problem) in journal.Broken.Take(ShownProblems))
        {
            monitor.Message($"warning: {file}: left out, not a readable picture ({problem})");
        }

        var (values, entities) = journal.Read();
        monitor.Message(FormattableString.Invariant($"encode {name}: {total - journal.Broken.Count:N0} {encoder.Unit} of {entities.Length:N0} entities; ")
            + FormattableString.Invariant($"{total - before:N0} in {seconds:F1} s, {(total - before) / seconds:F1} {encoder.Unit}/s; {journal.Broken.Count:N0} unreadable"));
        var features = new EntityFeatures(values, entities, graph.Entities.Count);
        FeatureStore.Write(path, key, features, entities, new Dictionary<string, Tensor>());
        journal.Remove();
        return features;
    }

    private void EncodeBatches(IFrozenEncoder encoder, FeatureJournal journal, string task, long done, long total)
    {
        Task<(int Count, FrozenBatch Batch)>? Start(int first)
        {
            if (first >= encoder.Entities.Count)
            {
                return null;
            }

            var cost = encoder.Cost(encoder.Entities[first]);
            var next = first + 1;
            for (; next < encoder.Entities.Count && cost + encoder.Cost(encoder.Entities[next]) <= encoder.BatchCost; next++)
            {
                cost += encoder.Cost(encoder.Entities[next]);
            }

            var members = encoder.Entities.Skip(first).Take(next - first).ToArray();
            return Task.Run(() => (members.Length, encoder.Prepare(members, cancellation)));
        }

        var prepared = Start(journal.Done);
        try
        {
            while (prepared is not null)
            {
                cancellation.ThrowIfCancellationRequested();
                var (count, batch) = prepared.GetAwaiter().GetResult();
                // The next batch is read while this one is computed.
                prepared = Start(journal.Done + count);
                var last = encoder.Entities.Skip(journal.Done).Take(count);
                done += last.Sum(entity => (long)encoder.Inputs(entity));
                using var features = encoder.Encode(batch);
                journal.Append(count, batch, features);
                monitor.Progress(task, done, total, encoder.Unit);
            }
        }
        finally
        {
            // Not left behind with files open; what went wrong with it matters no more.
            prepared?.ContinueWith(task => task.Exception, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default).Wait(CancellationToken.None);
        }
    }

    private IFrozenEncoder Open(Modality modality, string name)
    {
        if (modality == Modality.Text)
        {
            var text = new PretrainedTextEncoder(config.Text.Encoder.Pretrained, WrittenDocuments(), config.Text.Document.MaxTokens, LayerAttention.Of(config.Text.Encoder.Attention)(0), device);
            monitor.Message($"encode {name}: {text.Summary}");
            return text;
        }

        var image = new PretrainedImageEncoder(config.Image.Encoder.Pretrained, UsedPictures(), device);
        monitor.Message($"encode {name}: {image.Summary}");
        return image;
    }

    private ImmutableArray<string> WrittenDocuments() => [.. Documents.Write(graph, triples, config.Text.Document).Select(document => document.ToString())];

    private ImmutableArray<ImmutableArray<string>> UsedPictures() => [.. graph.Images.Select(paths => paths.Take(config.Image.MaxPictures).ToImmutableArray())];

    private static PretrainedConfig? PretrainedOf(MoodleConfig config, Modality modality) => modality switch
    {
        Modality.Text => config.Text.Encoder.Pretrained,
        Modality.Image => config.Image.Encoder.Pretrained,
        _ => null,
    };
}
