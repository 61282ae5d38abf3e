using System.Buffers.Binary;
using System.Text.Json;
using Moodle.Configuration;
using Moodle.Evaluation;
using Moodle.Runtime;
using Moodle.Training;

namespace Moodle.Tests.Training;

/// <summary>What a run leaves behind, and that every part of the configuration trains.</summary>
[TestClass]
public sealed class TrainerTests
{
    private static TinyGraph s_graph = null!;
    private static string s_run = null!;
    private static Heard s_heard = null!;
    private static EvaluationReport s_report = null!;

    [ClassInitialize]
    public static void TrainOnce(TestContext _)
    {
        s_graph = new TinyGraph();
        (s_run, s_heard) = (s_graph["run"], new Heard());
        s_report = Trainer.Start(s_graph.Config(), s_run, new(), s_heard, CancellationToken.None)!;
    }

    [ClassCleanup]
    public static void Delete() => s_graph.Dispose();

    [TestMethod]
    public void Config_IsResolvedAndReadsBack()
    {
        var config = RunFolder.ReadConfig(s_run);
        Assert.AreEqual(ConfigLoader.ToYaml(s_graph.Config()), ConfigLoader.ToYaml(config));
        Assert.AreEqual(s_graph.Data, config.Data.Path, "a full path, so that the run can be used from anywhere");
        Assert.AreEqual(ConfigLoader.Keys().Count, File.ReadAllLines(Path.Combine(s_run, "config.yaml")).Count(line => !line.EndsWith(':')), "every key stands there");
    }

    [TestMethod]
    public void Log_HoldsEveryMessageWithItsTime()
    {
        var lines = File.ReadAllLines(Path.Combine(s_run, "log.txt"));
        CollectionAssert.AreEqual(s_heard.Messages, lines.Select(line => line["2026-01-01 00:00:00Z ".Length..]).ToArray());
        foreach (var line in lines)
        {
            Assert.MatchesRegex(@"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ ", line);
        }

        Assert.IsTrue(lines.Any(line => line.Contains("data:", StringComparison.Ordinal) && line.Contains("60 entities, 5 relations, 280 training, 40 validation and 40 test triples", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void Metrics_AreJsonLinesOfEveryEvent()
    {
        var events = ReadMetrics(s_run);
        Assert.AreEqual(2 + 2 + 3 + 2 + 2, events.Count(line => line.GetProperty("event").GetString() == "epoch"));
        foreach (var line in events.Where(line => line.GetProperty("event").GetString() == "epoch"))
        {
            var stage = line.GetProperty("stage").GetString()!;
            string[] branches = ["structure", "text", "image", "structure_n3", "text_n3", "image_n3", "structure_guidance", "text_guidance", "image_guidance"];
            string[] fused = ["fused", "contrast_modalities", "contrast_queries"];
            string[] expected = stage switch
            {
                "unimodal" => branches,
                "refit" => [.. branches, .. fused],
                "fusion" => [.. fused, "held_out"],
                _ => ["contrast"],
            };
            CollectionAssert.AreEquivalent(expected, line.GetProperty("losses").EnumerateObject().Select(loss => loss.Name).ToArray(), stage);
            Assert.IsTrue(line.GetProperty("losses").EnumerateObject().All(loss => double.IsFinite(loss.Value.GetDouble())));
            Assert.IsGreaterThan(0, line.GetProperty("seconds").GetDouble());
            Assert.IsGreaterThan(0, line.GetProperty(stage.StartsWith("encode", StringComparison.Ordinal) ? "entities_per_second" : "triples_per_second").GetDouble());
            Assert.IsGreaterThan(0, line.GetProperty("memory_mib").GetInt64());
        }

        var validations = events.Where(line => line.GetProperty("event").GetString() == "validation").ToArray();
        Assert.AreEqual(1 + 3 + 1 + 2 + 1 + 2, validations.Length, "before the first epoch of every stage that validates and after each");
        foreach (var line in validations)
        {
            CollectionAssert.AreEquivalent(
                new[] { line.GetProperty("stage").GetString() == "unimodal" ? "mean" : "fusion", "structure", "text", "image" }, line.GetProperty("branches").EnumerateObject().Select(branch => branch.Name).ToArray());
            Assert.IsTrue(line.GetProperty("branches").EnumerateObject().All(branch => branch.Value.GetProperty("mrr").GetDouble() is > 0 and <= 1));
        }

        Assert.AreEqual("start cpu 1", $"{events[0].GetProperty("event")} {events[0].GetProperty("device")} {events[0].GetProperty("threads")}");
        var steps = events.Select(line => line.GetProperty("step").GetInt64()).ToArray();
        CollectionAssert.AreEqual(steps.Order().ToArray(), steps);
        CollectionAssert.AreEqual(
            new[] { "encode text", "encode image", "unimodal", "fusion", "refit" }, events.Skip(1).Select(line => line.GetProperty("stage").GetString()).Distinct().ToArray());
    }

    [TestMethod]
    public void TensorBoard_ReadsTheEventFile()
    {
        var file = Directory.GetFiles(Path.Combine(s_run, "tensorboard"), "*tfevents*", SearchOption.AllDirectories).Single();
        var bytes = File.ReadAllBytes(file).AsSpan();
        var records = new List<string>();
        while (bytes.Length > 0)
        {
            // A record: length, its masked CRC-32C, the data, its masked CRC-32C.
            var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes);
            Assert.AreEqual(MaskedCrc(bytes[..8]), BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]), $"length of record {records.Count}");
            var data = bytes.Slice(12, length);
            Assert.AreEqual(MaskedCrc(data), BinaryPrimitives.ReadUInt32LittleEndian(bytes[(12 + length)..]), $"data of record {records.Count}");
            records.Add(System.Text.Encoding.Latin1.GetString(data));
            bytes = bytes[(16 + length)..];
        }

        Assert.Contains("brain.Event:2", records[0]);
        Assert.IsTrue(records.Exists(record => record.Contains("unimodal/loss/structure", StringComparison.Ordinal)));
        Assert.IsTrue(records.Exists(record => record.Contains("fusion/validation_mrr/fusion", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void Checkpoints_AreTensorsAndJson()
    {
        var folder = RunFolder.CheckpointsOf(s_run);
        foreach (var name in new[] { "best", "last" })
        {
            using var json = JsonDocument.Parse(File.ReadAllText(folder.JsonPath(name)));
            Assert.AreEqual("refit", json.RootElement.GetProperty("stage").GetString());
            Assert.AreEqual(1, json.RootElement.GetProperty("seed").GetInt32());
            Assert.IsGreaterThan(0, json.RootElement.GetProperty("global_step").GetInt64());
            using var tensors = Safetensors.Open(Path.Combine(Path.GetDirectoryName(folder.JsonPath(name))!, json.RootElement.GetProperty("tensors").GetString()!));
            Assert.IsTrue(tensors.Names.Any(tensor => tensor.StartsWith("model.branches.structure.", StringComparison.Ordinal)));
            Assert.AreEqual(name == "last", tensors.Names.Any(tensor => tensor.StartsWith("optimizer.", StringComparison.Ordinal)));
        }

        var files = Directory.GetFiles(Path.GetDirectoryName(folder.JsonPath("best"))!).Select(path => Path.GetExtension(path)).ToArray();
        Assert.AreEqual(2, files.Count(extension => extension == ".safetensors"), "older tensors are gone");
        using var vocabularies = JsonDocument.Parse(File.ReadAllText(Path.Combine(s_run, "checkpoints", "vocabularies.json")));
        Assert.AreEqual(TinyGraph.Entities, vocabularies.RootElement.GetProperty("entities").GetArrayLength());
        Assert.AreEqual(5, vocabularies.RootElement.GetProperty("relations").GetArrayLength());
    }

    [TestMethod]
    public void Results_AreWhatTheRunReturned()
    {
        Assert.AreEqual(Metrics(EvaluationJson.ToJson(s_report).ToJsonString()), Metrics(File.ReadAllText(Path.Combine(s_run, "results.json"))));
        CollectionAssert.AreEqual(new[] { "fusion", "structure", "text", "image" }, s_report.Branches.Select(branch => branch.Branch).ToArray());
        Assert.AreEqual(2 * TinyGraph.TestTriples, s_report.Branches[0].Realistic.Both.Count);
    }

    [TestMethod]
    public void TrainedModel_RanksAsTheRunDid()
    {
        foreach (var checkpoint in new[] { "best", RunFolder.CheckpointsOf(s_run).JsonPath("best") })
        {
            using var model = TrainedModel.Load(s_run, checkpoint);
            var (report, _) = SplitEvaluation.Run(model.Scorer, model.Graph, Moodle.Graphs.Split.Test, model.Config.Evaluation);
            Assert.AreEqual(Metrics(File.ReadAllText(Path.Combine(s_run, "results.json"))), Metrics(EvaluationJson.ToJson(report).ToJsonString()));
        }
    }

    [TestMethod]
    public void SameSeed_SameFigures_AnotherSeed_OtherFigures()
    {
        var first = Metrics(File.ReadAllText(Path.Combine(s_run, "results.json")));
        Assert.AreEqual(first, Train("again"));
        Assert.AreNotEqual(first, Train("seed2", "seed=2"));
    }

    [TestMethod]
    public void ResumeOfACompleteRun_GivesItsResultsAgain()
    {
        var before = Metrics(File.ReadAllText(Path.Combine(s_run, "results.json")));
        var lines = ReadMetrics(s_run).Length;
        Trainer.Resume(s_run, new Heard(), CancellationToken.None);
        Assert.AreEqual(before, Metrics(File.ReadAllText(Path.Combine(s_run, "results.json"))));
        Assert.AreEqual(lines, ReadMetrics(s_run).Length);
    }

    [TestMethod]
    [DataRow("modalities=structure")]
    [DataRow("modalities=text")]
    [DataRow("modalities=image")]
    [DataRow("modalities=structure,image")]
    [DataRow("modalities=text,structure", "fusion.enabled=false")]
    [DataRow("fusion.enabled=false", "guidance.enabled=false", "evaluation.bootstrap_samples=0")]
    [DataRow("guidance.relation_aware=false", "fusion.relation_aware=false", "contrast.hard_negatives=0", "training.clip_norm=1")]
    [DataRow("contrast.enabled=false", "fusion.interaction_rank=0", "fusion.modality_dropout=0")]
    [DataRow("structure.scorer=distmult", "text.scorer=rotate", "image.scorer=tucker")]
    [DataRow("structure.scorer=rotate", "text.scorer=tucker", "image.scorer=distmult")]
    [DataRow("structure.scorer=tucker", "structure.dropout=0.2", "text.scorer=distmult", "image.scorer=rotate")]
    [DataRow("image.encoder.kind=vit", "image.encoder.patch_size=4", "text.document.triples=true", "text.document.description=false")]
    [DataRow("training.task_weights=uncertainty", "training.label_smoothing=0.1")]
    [DataRow("training.refit.epochs=2", "training.fusion.optimizer=adamw", "training.fusion.learning_rate=0.001")]
    [DataRow("training.unimodal.optimizer=adamw", "training.unimodal.learning_rate=0.01", "training.validate_every=2")]
    [DataRow("text.pretrain.epochs=0", "image.pretrain.epochs=0")]
    [DataRow("training.unimodal.epochs=0", "training.fusion.epochs=0")]
    public void EveryPart_TrainsAndEvaluates(params string[] sets)
    {
        var run = s_graph["part"];
        var report = Trainer.Start(s_graph.Config([.. sets, "training.unimodal.epochs=1", "training.fusion.epochs=1", .. sets]), run, new() { Force = true }, new Heard(), CancellationToken.None)!;
        var config = RunFolder.ReadConfig(run);
        var modalities = config.Modalities.Select(modality => modality.ToString().ToLowerInvariant()).ToArray();
        CollectionAssert.AreEquivalent(modalities.Length == 1 ? modalities : [config.Fusion.Enabled ? "fusion" : "mean", .. modalities], report.Branches.Select(branch => branch.Branch).ToArray());
        Assert.IsTrue(report.Branches.All(branch => branch.Realistic.Both.Mrr is > 0 and <= 1));
        Assert.AreEqual(modalities.Length > 1 && config.Fusion.Enabled, ReadMetrics(run).Any(line => line.GetProperty("stage").GetString() == "fusion"));
        using var model = TrainedModel.Load(run);
        var (again, _) = SplitEvaluation.Run(model.Scorer, model.Graph, Moodle.Graphs.Split.Test, model.Config.Evaluation);
        Assert.AreEqual(Metrics(EvaluationJson.ToJson(report).ToJsonString()), Metrics(EvaluationJson.ToJson(again).ToJsonString()));
    }

    /// <summary>The figures of a results file, without the times.</summary>
    internal static string Metrics(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.GetProperty("branches").GetRawText().ReplaceLineEndings("").Replace(" ", "", StringComparison.Ordinal);
    }

    internal static JsonElement[] ReadMetrics(string run) =>
        [.. File.ReadAllLines(Path.Combine(run, "metrics.jsonl")).Select(line => JsonDocument.Parse(line).RootElement.Clone())];

    private static string Train(string name, params string[] sets)
    {
        Trainer.Start(s_graph.Config(sets), s_graph[name], new(), new Heard(), CancellationToken.None);
        return Metrics(File.ReadAllText(Path.Combine(s_graph[name], "results.json")));
    }

    // CRC-32C, rotated and shifted as TensorFlow masks it.
    private static uint MaskedCrc(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        foreach (var value in data)
        {
            crc ^= value;
            for (var bit = 0; bit < 8; bit++)
            {
                crc = (crc & 1) == 0 ? crc >> 1 : (crc >> 1) ^ 0x82F63B78;
            }
        }

        crc = ~crc;
        return ((crc >> 15) | (crc << 17)) + 0xa282ead8;
    }
}
