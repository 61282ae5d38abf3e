using System.Collections.Immutable;
using System.Text.Json;
using Moodle.Attention;
using Moodle.Configuration;
using Moodle.Encoders;
using Moodle.Graphs;
using Moodle.Modalities;
using Moodle.Models;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>Stage 1 for all modalities: features from the run's folder, from outside, from the user's cache, or from an encoder that is trained now.</summary>
internal sealed class FeatureBuilder(
    RunFolder run, MoodleConfig config, KnowledgeGraph graph, ImmutableArray<Triple> triples, IReadOnlyDictionary<Modality, OutsideFeatures> outside,
    Device device, ITrainingMonitor monitor, CancellationToken cancellation)
{
    // Raised when the code changes what features come out of the same inputs.
    private const string Version = "3";

    /// <summary>Features of every modality but structure.</summary>
    /// <param name="runner">The loop around stages.</param>
    /// <param name="state">Where the run stands; after the call where it stands after the encode stages.</param>
    public Dictionary<Modality, EntityFeatures> Build(StageRunner runner, ref TrainingState state)
    {
        var features = new Dictionary<Modality, EntityFeatures>();
        foreach (var modality in config.Modalities.Order())
        {
            if (FrozenFeatures.Has(config, modality))
            {
                features.Add(modality, Frozen(modality, state));
            }
            else if (modality == Modality.Text)
            {
                features.Add(modality, Text(runner, ref state));
            }
            else if (modality == Modality.Image)
            {
                features.Add(modality, Image(runner, ref state));
            }
        }

        return features;
    }

    /// <summary>Features of a complete run.</summary>
    /// <exception cref="InputException">They are missing.</exception>
    public static Dictionary<Modality, EntityFeatures> Read(string runPath, MoodleConfig config, int entityCount) =>
        config.Modalities.Where(modality => modality != Modality.Structure).ToDictionary(modality => modality, modality =>
            FeatureStore.Read(PathOf(runPath, modality), null, entityCount) ?? throw Missing(runPath, modality));

    /// <summary>Features from outside, as far as the configuration names any.</summary>
    /// <exception cref="InputException">They cannot be read.</exception>
    public static Dictionary<Modality, OutsideFeatures> ReadOutside(MoodleConfig config, KnowledgeGraph graph) =>
        new[] { (Modality: Modality.Text, Options: config.Text.Features), (Modality: Modality.Image, Options: config.Image.Features) }
            .Where(each => each.Options.File is not null && config.Modalities.Contains(each.Modality))
            .ToDictionary(each => each.Modality, each => ReadOutside(each.Modality, each.Options, graph));

    private static OutsideFeatures ReadOutside(Modality modality, FeatureFileConfig options, KnowledgeGraph graph) =>
        FeatureFile.Read(options, graph, $"{MultimodalModel.NameOf(modality)}.features");

    private static string PathOf(string runPath, Modality modality) =>
        Path.Combine(RunFolder.FeaturesOf(runPath), MultimodalModel.NameOf(modality) + ".safetensors");

    private static InputException Missing(string runPath, Modality modality) =>
        new($"{PathOf(runPath, modality)}: the encoder's features are missing; train again with --force");

    private EntityFeatures Text(StageRunner runner, ref TrainingState state)
    {
        if (config.Text.Features.File is not null)
        {
            return FromFile(Modality.Text, config.Text.Features, state);
        }

        var documents = Documents.Write(graph, triples, config.Text.Document);
        var key = KeyOf(config.Text.Document, config.Text.Encoder, config.Text.Pretrain, string.Join('\n', documents));
        return Build(Modality.Text, key, config.Text.Pretrain, runner, ref state, () =>
        {
            var (pieces, tokenized) = TextInputs.Of(graph, documents, config.Text.Document);
            var lengths = Enumerable.Range(0, tokenized.Count).Select(entity => tokenized[entity].Length).Order().ToArray();
            monitor.Message($"text: {pieces.Length:N0} word pieces; documents of {lengths.Average():N0} tokens on average, {lengths[lengths.Length / 2]:N0} (median), "
                + $"{lengths[lengths.Length * 9 / 10]:N0} (90 % are shorter), {lengths[lengths.Length * 99 / 100]:N0} (99 %), {lengths[^1]:N0} (longest)");
            AtomicFile.WriteText(Path.Combine(RunFolder.FeaturesOf(run.Path), "word_pieces.json"), JsonSerializer.Serialize(pieces));
            return new TextEncoder(config.Text.Encoder, tokenized, LayerAttention.Of(config.Text.Encoder.Attention));
        });
    }

    private EntityFeatures Image(StageRunner runner, ref TrainingState state)
    {
        if (config.Image.Features.File is not null)
        {
            return FromFile(Modality.Image, config.Image.Features, state);
        }

        var files = graph.Images.SelectMany(paths => paths.Take(config.Image.MaxPictures))
            .AsParallel().AsOrdered().Select(path => $"{Path.GetRelativePath(graph.Path, path)} {FeatureStore.ContentOf(path)}");
        var key = KeyOf(config.Image.MaxPictures, config.Image.Encoder, config.Image.Pretrain, string.Join('\n', files));
        return Build(Modality.Image, key, config.Image.Pretrain, runner, ref state, () =>
        {
            var done = 0;
            var pictures = new Pictures(graph.Images, config.Image.Encoder.Size, config.Image.MaxPictures,
                () => monitor.Progress("pictures", Interlocked.Increment(ref done), graph.Images.Length, "entities"), cancellation);
            foreach (var (path, problem) in pictures.Broken.Take(5))
            {
                monitor.Message($"warning: {path}: left out, not a readable picture ({problem})");
            }

            var entities = Enumerable.Range(0, pictures.Count).Count(entity => pictures[entity].Count > 0);
            monitor.Message($"image: {Enumerable.Range(0, pictures.Count).Sum(entity => pictures[entity].Count):N0} pictures of {entities:N0} entities, {pictures.Broken.Length:N0} unreadable");
            return new ImageEncoder(config.Image.Encoder, pictures, new DenseAttention());
        });
    }

    // Kept in the run like an encoder's, so that evaluation needs no file from outside.
    private EntityFeatures FromFile(Modality modality, FeatureFileConfig options, TrainingState state)
    {
        var (name, path) = (MultimodalModel.NameOf(modality), PathOf(run.Path, modality));
        var files = new[] { options.File, options.Ids, options.Mask }.Select(file => file is null ? "" : FeatureStore.ContentOf(Path.Combine(graph.Path, file)));
        var key = FeatureStore.KeyOf([Version, options.ToString(), .. files, string.Join('\n', graph.Entities.Labels)]);
        if (FeatureStore.Read(path, key, graph.Entities.Count) is { } own)
        {
            return own;
        }

        Unchanged(state, path, "features");
        var (values, entities, summary) = outside.TryGetValue(modality, out var read) ? read : ReadOutside(modality, options, graph);
        monitor.Message($"{name}: {summary}");
        Directory.CreateDirectory(RunFolder.FeaturesOf(run.Path));
        var features = new EntityFeatures(values, entities, graph.Entities.Count);
        FeatureStore.Write(path, key, features, entities, new Dictionary<string, Tensor>());
        return features;
    }

    private void Unchanged(TrainingState state, string path, string what)
    {
        if (state.Stage is UnimodalStage.StageName or FusionStage.StageName or UnimodalStage.RefitName)
        {
            throw new InputException($"{path}: missing, or made from other {what}, triples or weights than those that {graph.Path} and the configuration have now; restore them, or train again with --force");
        }
    }

    private EntityFeatures Build<TEncoder>(
        Modality modality, string key, EncoderTrainingConfig training, StageRunner runner, ref TrainingState state, Func<TEncoder> create)
        where TEncoder : nn.Module, IEntityEncoder
    {
        if (Find(modality, key, state, "data.cache: false trains anew") is { } found)
        {
            return found;
        }

        RandomState.Seed(config.Seed);
        using var encoder = create();
        using var stage = new EncodeStage<TEncoder>(modality, training, encoder, graph, TrainingQueries.Build(graph.Entities.Count, graph.Relations.Count, triples), device);
        state = runner.Run(stage, state);
        var (features, entities) = stage.Encode(monitor, cancellation);
        var path = PathOf(run.Path, modality);
        FeatureStore.Write(path, key, features, entities, ModuleTensors.Of(encoder, "encoder."));
        if (config.Data.Cache)
        {
            AtomicFile.Copy(path, FeatureStore.CacheOf(modality, key));
        }

        return features;
    }

    // What 'moodle encode' would write, and writes it where that was not called before.
    private EntityFeatures Frozen(Modality modality, TrainingState state)
    {
        var frozen = new FrozenFeatures(config, graph, triples, device, monitor, cancellation);
        var key = frozen.KeyOf(modality);
        if (Find(modality, key, state, "data.cache: false encodes anew") is { } found)
        {
            return found;
        }

        var path = PathOf(run.Path, modality);
        if (!config.Data.Cache)
        {
            return frozen.Encode(modality, key, path);
        }

        var cached = FeatureStore.CacheOf(modality, key);
        var features = frozen.Encode(modality, key, cached);
        AtomicFile.Copy(cached, path);
        return features;
    }

    // From the run's folder, or from the cache; null where neither has them.
    private EntityFeatures? Find(Modality modality, string key, TrainingState state, string anew)
    {
        var (name, path) = (MultimodalModel.NameOf(modality), PathOf(run.Path, modality));
        var cached = FeatureStore.CacheOf(modality, key);
        if (FeatureStore.Read(path, key, graph.Entities.Count) is { } own)
        {
            return own;
        }

        Unchanged(state, path, modality == Modality.Text ? "texts" : "pictures");
        Directory.CreateDirectory(RunFolder.FeaturesOf(run.Path));
        if (config.Data.Cache && FeatureStore.Read(cached, key, graph.Entities.Count) is { } shared)
        {
            monitor.Message($"encode {name}: taken from the cache ({cached}); {anew}");
            AtomicFile.Copy(cached, path);
            return shared;
        }

        return null;
    }

    private string KeyOf(params object[] options) => FeatureStore.KeyOf(
    [
        Version, $"{config.Seed} {device}", .. options.Select(option => JsonSerializer.Serialize<object>(option)),
        string.Join('\n', graph.Entities.Labels), string.Join('\n', triples),
    ]);
}
