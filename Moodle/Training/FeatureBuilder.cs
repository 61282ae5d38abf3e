using System.Collections.Immutable;
using System.Security.Cryptography;
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

/// <summary>Stage 1 for all modalities: features from the run's folder, from the user's cache, or from an encoder that is trained now.</summary>
internal sealed class FeatureBuilder(
    RunFolder run, MoodleConfig config, KnowledgeGraph graph, ImmutableArray<Triple> triples, Device device, ITrainingMonitor monitor, CancellationToken cancellation)
{
    // Raised when the code changes what features come out of the same inputs.
    private const string Version = "2";

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

    private static string PathOf(string runPath, Modality modality) =>
        Path.Combine(RunFolder.FeaturesOf(runPath), MultimodalModel.NameOf(modality) + ".safetensors");

    private static InputException Missing(string runPath, Modality modality) =>
        new($"{PathOf(runPath, modality)}: the encoder's features are missing; train again with --force");

    private EntityFeatures Text(StageRunner runner, ref TrainingState state)
    {
        var documents = Documents.Write(graph, config.Text.Document);
        var key = KeyOf(config.Text.Document, config.Text.Encoder, config.Text.Pretrain, string.Join('\n', documents));
        return Build(Modality.Text, key, config.Text.Pretrain, runner, ref state, () =>
        {
            var pieces = WordPieceTrainer.Learn(documents, config.Text.Document.VocabularySize);
            var tokenized = new TokenizedDocuments(documents, new WordPieceTokenizer(pieces), config.Text.Document.MaxTokens);
            var lengths = Enumerable.Range(0, tokenized.Count).Select(entity => tokenized[entity].Length).Order().ToArray();
            monitor.Message($"text: {pieces.Length:N0} word pieces; documents of {lengths[lengths.Length / 2]} tokens (median), {lengths[^1]} (longest)");
            AtomicFile.WriteText(Path.Combine(RunFolder.FeaturesOf(run.Path), "word_pieces.json"), JsonSerializer.Serialize(pieces));
            return new TextEncoder(config.Text.Encoder, tokenized, new DenseAttention());
        });
    }

    private EntityFeatures Image(StageRunner runner, ref TrainingState state)
    {
        var files = graph.Images.SelectMany(paths => paths.Take(config.Image.MaxPictures))
            .AsParallel().AsOrdered().Select(path => $"{Path.GetRelativePath(graph.Path, path)} {ContentOf(path)}");
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
        var frozen = new FrozenFeatures(config, graph, device, monitor, cancellation);
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

        if (state.Stage is UnimodalStage.StageName or FusionStage.StageName or UnimodalStage.RefitName)
        {
            throw new InputException($"{path}: missing, or made from other {(modality == Modality.Text ? "texts" : "pictures")}, triples or weights than those that "
                + $"{graph.Path} and the configuration have now; restore them, or train again with --force");
        }

        Directory.CreateDirectory(RunFolder.FeaturesOf(run.Path));
        if (config.Data.Cache && FeatureStore.Read(cached, key, graph.Entities.Count) is { } shared)
        {
            monitor.Message($"encode {name}: taken from the cache ({cached}); {anew}");
            AtomicFile.Copy(cached, path);
            return shared;
        }

        return null;
    }

    private static string ContentOf(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            return Convert.ToHexStringLower(SHA256.HashData(file));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "unreadable";
        }
    }

    private string KeyOf(params object[] options) => FeatureStore.KeyOf(
    [
        Version, $"{config.Seed} {device}", .. options.Select(option => option.ToString()!),
        string.Join('\n', graph.Entities.Labels), string.Join('\n', triples),
    ]);
}
