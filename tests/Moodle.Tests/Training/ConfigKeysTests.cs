using System.Globalization;
using System.Text.RegularExpressions;
using Moodle.Configuration;
using Moodle.Tests.Runtime;
using Moodle.Tests.Support;
using Moodle.Training;

namespace Moodle.Tests.Training;

/// <summary>A key that changes nothing is a lie to whoever sets it.</summary>
[TestClass]
public sealed partial class ConfigKeysTests
{
    // A run in which every key has something to say.
    private static readonly string[] s_base =
    [
        "data.cache=true", "text.pretrain.epochs=1", "image.pretrain.epochs=1", "training.unimodal.epochs=2", "training.fusion.epochs=1", "training.batch_size=300",
        "image.encoder.kind=vit", "image.encoder.patch_size=4", "structure.dropout=0.1", "guidance.warmup_epochs=2", "guidance.exact_entities=10", "guidance.top_k=5",
        "text.encoder.layers=2", "text.encoder.attention.kind=cpu", "text.encoder.attention.threshold=4", "text.encoder.attention.block=4", "text.encoder.attention.step=1",
        "text.encoder.attention.init=1", "text.encoder.attention.local=1", "text.encoder.attention.theta=0.01",
        "paths.enabled=true", "paths.epochs=1", "paths.hidden_size=4", "paths.layers=2", "paths.batch_size=200",
        "training.clip_norm=0.01", "training.refit.epochs=1", "fusion.hold_out=0.2", "training.validation_triples=20", "evaluation.bootstrap_samples=10",
    ];

    // Where the next value that comes to mind is not allowed, or too near to be seen.
    private static readonly Dictionary<string, string> s_values = new()
    {
        ["modalities"] = "structure,image",
        ["text.document.max_tokens"] = "6",
        ["text.pretrain.max_batch_tokens"] = "100",
        ["text.encoder.hidden_size"] = "32",
        ["text.encoder.heads"] = "1",
        ["text.encoder.attention.kind"] = "dense",
        ["text.encoder.precision"] = "bfloat16",
        ["image.encoder.precision"] = "bfloat16",
        ["fusion.hold_out_by"] = "triple",
        ["paths.hide"] = "triple",
        ["paths.answers_per_row"] = "1",
        ["text.encoder.attention.precision"] = "bfloat16",
        ["text.encoder.attention.threshold"] = "12",
        ["text.encoder.attention.layers"] = "0",
        ["text.features.file"] = "features.npy",
        ["image.features.file"] = "features.npy",
        ["image.encoder.kind"] = "cnn",
        ["image.encoder.size"] = "32",
        ["image.encoder.hidden_size"] = "32",
        ["image.encoder.heads"] = "2",
        ["image.encoder.patch_size"] = "8",
        ["image.max_pictures"] = "1",
        ["guidance.exact_entities"] = "100",
        ["training.fusion.epochs"] = "0",
        ["training.refit.epochs"] = "0",
        ["training.answers_per_row"] = "1",
    };

    // What may not change a figure, or shows only in a longer run or a larger graph.
    private static readonly HashSet<string> s_others =
    [
        "data.path", "data.cache", "data.layout", "data.links_to", "data.clean", "text.features.array", "text.features.ids", "text.features.mask", "image.features.array",
        "image.features.ids", "image.features.mask", // OutsideDataTests, FeatureFileTests
        "device", "threads", "training.products", "training.checkpoint_seconds", "evaluation.batch_size", "training.patience", "text.document.vocabulary_size",
        // With them the encoders' own keys are silent: FrozenFeaturesTests has a run for these.
        "text.encoder.pretrained.path", "text.encoder.pretrained.pooling", "text.encoder.pretrained.interpolate",
        "image.encoder.pretrained.path", "image.encoder.pretrained.pooling", "image.encoder.pretrained.pictures",
    ];

    [TestMethod]
    public void EveryKey_ChangesARun()
    {
        using var graph = new TinyGraph();
        File.Copy(graph.PictureOf(0), Path.Combine(Path.GetDirectoryName(graph.PictureOf(2))!, "1.png"));
        File.WriteAllLines(Path.Combine(graph.Data, "entities.txt"), Enumerable.Range(0, TinyGraph.Entities).Select(TinyGraph.Label));
        File.WriteAllBytes(Path.Combine(graph.Data, "features.npy"), NumpyTests.Npy(
            "<f4", $"({TinyGraph.Entities}, 3)", [.. Enumerable.Range(0, 3 * TinyGraph.Entities).SelectMany(i => BitConverter.GetBytes((float)Math.Sin(i + 1)))]));
        // Only what a key changes is trained again.
        using var cache = new OwnCache(graph["cache"]);
        var whole = Run(graph, []);
        Assert.AreEqual(whole, Run(graph, ["evaluation.batch_size=7", "training.checkpoint_seconds=1000"]));
        var silent = ConfigLoader.Keys().Where(key => !s_others.Contains(key.Path) && Run(graph, [$"{key.Path}={Other(graph, key)}"]) == whole).Select(key => key.Path).ToArray();
        Assert.IsEmpty(silent, string.Join(", ", silent));
    }

    private static string Other(TinyGraph graph, ConfigKey key)
    {
        if (s_values.TryGetValue(key.Path, out var value))
        {
            return value;
        }

        var now = Value(graph.Config(s_base), key.Path);
        return now switch
        {
            bool flag => flag ? "false" : "true",
            Enum name => Enum.GetNames(name.GetType()).First(other => other != name.ToString()).ToLowerInvariant(),
            int number => (number > 1 ? number / 2 : number + 1).ToString(CultureInfo.InvariantCulture),
            double number => (number == 0 ? 0.5 : number / 2).ToString(CultureInfo.InvariantCulture),
            _ => throw new AssertFailedException($"say in s_values what '{key.Path}' can be"),
        };
    }

    private static object? Value(object record, string path) => path.Split('.').Aggregate(
        (object?)record, (section, name) => section!.GetType().GetProperties().Single(property => ConfigProperty.SnakeCase(property.Name) == name).GetValue(section));

    private static string Run(TinyGraph graph, string[] sets)
    {
        var run = graph["run"];
        Trainer.Start(graph.Config([.. s_base, .. sets]), run, new() { Force = true }, new Heard(), CancellationToken.None);
        // What is taken from the cache leaves no line of its own.
        var lines = File.ReadAllLines(Path.Combine(run, "metrics.jsonl")).Concat(File.ReadAllLines(Path.Combine(run, "results.json")))
            .Where(line => !line.Contains("\"encode ", StringComparison.Ordinal) && !line.Contains("\"stage\":\"paths\"", StringComparison.Ordinal) && !line.Contains("seconds\": ", StringComparison.Ordinal) && !line.Contains("\"event\":\"start\"", StringComparison.Ordinal));
        return string.Join('\n', lines.Select(line => Clock().Replace(line, "")));
    }

    [GeneratedRegex("\"(seconds|[a-z]+_per_second|memory_mib|step)\":[^,}]*")]
    private static partial Regex Clock();
}
