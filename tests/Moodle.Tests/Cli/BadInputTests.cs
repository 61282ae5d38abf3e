using Moodle.Tests.Training;
using Moodle.Training;
using TorchSharp;

namespace Moodle.Tests.Cli;

/// <summary>What users get wrong: one clear line that names it and the remedy, exit code 2, and nothing lost.</summary>
[TestClass]
public sealed class BadInputTests
{
    private static SmallRun s_run = null!;
    private static TinyGraph s_graph = null!;

    [ClassInitialize]
    public static void Train(TestContext _) => (s_run, s_graph) = (new SmallRun(), new TinyGraph());

    [ClassCleanup]
    public static void Delete()
    {
        s_run.Dispose();
        s_graph.Dispose();
    }

    // The configuration.

    [TestMethod]
    public void MissingConfiguration() => Refused(["train", s_graph["none.yaml"]], s_graph["none.yaml"], "no such file", "YAML");

    [TestMethod]
    [DataRow("seed: 1\ntraning:\n  batch_size: 3\n", ":2:", "unknown key 'traning'", "did you mean 'training'?")]
    [DataRow("text:\n  encoder:\n    layer: 3\n", ":3:", "unknown key 'text.encoder.layer'", "did you mean 'text.encoder.layers'?")]
    [DataRow("seed: one\n", ":1:", "'seed' is 'one'", "expected a whole number")]
    [DataRow("modalities: [structure, sound]\n", ":1:", "modalities", "structure, text, image")]
    [DataRow("training:\n  label_smoothing: 3\n", ":2:", "'training.label_smoothing' is '3'", "expected a number from 0 to 0.99")]
    [DataRow("seed: 1\ndevice: cpu\nseed: 2\n", ":3:", "'seed'", "a second time", "remove one")]
    [DataRow("seed: [1\n", ":1:", "not valid YAML")]
    [DataRow("training:\n\tbatch_size: 3\n", ":2:", "a tab in the indentation", "indent with blanks")]
    [DataRow("device: gpu\n", ":1:", "'device' is 'gpu'", "cpu, cuda or cuda:N")]
    public void BadConfiguration(string yaml, params string[] words)
    {
        File.WriteAllText(s_graph["bad.yaml"], yaml);
        Refused(["train", s_graph["bad.yaml"], "--run", s_graph["bad"]], [s_graph["bad.yaml"], .. words]);
        Assert.IsFalse(Directory.Exists(s_graph["bad"]));
    }

    [TestMethod]
    [DataRow("training.batch_size", "--set training.batch_size", "expected key=value")]
    [DataRow("training.batchsize=3", "--set training.batchsize", "did you mean 'training.batch_size'?")]
    [DataRow("training.batch_size=few", "--set training.batch_size", "'few'", "expected a whole number")]
    [DataRow("training=3", "--set training", "is a section")]
    public void BadSet(string set, params string[] words) => Refused(["train", s_graph.ConfigFile, "--set", set], words);

    // The data set.

    [TestMethod]
    public void MissingDataFolder() => Refused(["train", s_graph.ConfigFile, "--set", "data.path=no/such"], "data.path", "no folder 'no/such'", "set it to");

    [TestMethod]
    public void AFolderThatIsNoDataSet() => Refused(["data", "inspect", s_run.Path], s_run.Path, "not a data set of a known layout", "train.tsv");

    [TestMethod]
    public void MissingSplitFile() => BadData(graph => File.Delete(InData(graph, "test.tsv")), "test.tsv", "no such file", "needs train.tsv");

    [TestMethod]
    public void EmptySplit() => BadData(graph => File.WriteAllText(InData(graph, "test.tsv"), "\n"), "test.tsv", "holds no triple", "head, relation, tail");

    [TestMethod]
    public void EmptyValidation_CannotChooseAModel() => BadData(graph => File.WriteAllText(InData(graph, "dev.tsv"), ""), "validation split holds no triple", "move some training triples");

    [TestMethod]
    public void WrongColumnCount() => BadData(graph => File.AppendAllText(InData(graph, "dev.tsv"), "/t/01\tnear\n"), "dev.tsv:41:", "found 2 columns, expected 3", "head, relation, tail");

    [TestMethod]
    public void EntityThatIsNotListed() => BadData(
        graph => File.WriteAllLines(InData(graph, "entities.txt"), Enumerable.Range(0, TinyGraph.Entities - 1).Select(TinyGraph.Label)),
        "tsv:", "entity '/t/59' is not in", "entities.txt", "add it there");

    [TestMethod]
    public void TextThatIsNotUtf8() => BadData(graph => File.WriteAllBytes(InData(graph, "train.tsv"), [(byte)'a', 9, 0xff, 9, (byte)'b', 10]), "train.tsv:1:", "UTF-8");

    [TestMethod]
    public void UnreadablePicture_IsCountedAndLeftOut()
    {
        using var graph = new TinyGraph();
        File.WriteAllText(graph.PictureOf(4), "no picture");
        File.WriteAllBytes(graph.PictureOf(6), File.ReadAllBytes(graph.PictureOf(6))[..60]);
        var answer = CommandLine.Run("train", graph.ConfigFile, "--run", graph["run"], "--set", "modalities=image", "--set", "training.unimodal.epochs=1");
        Assert.AreEqual(0, answer.Code, answer.Error);
        Assert.Contains($"warning: {graph.PictureOf(4)}: left out, not a readable picture", answer.Error);
        Assert.Contains($"warning: {graph.PictureOf(6)}: left out, not a readable picture", answer.Error);
        Assert.Contains("28 pictures of 28 entities, 2 unreadable", answer.Error);
    }

    // Runs.

    [TestMethod]
    public void ExistingRun_IsNotOverwritten()
    {
        var before = Snapshot(s_run.Path);
        Refused(["train", s_run.Graph.ConfigFile, "--run", s_run.Path], s_run.Path, "holds a run already", $"moodle resume {s_run.Path}", "--force");
        Refused(["train", s_run.Graph.ConfigFile, "--run", s_run.Path, "--force", "--set", "data.path=no/such"], "no folder");
        Refused(["train", s_run.Graph.ConfigFile, "--run", s_run.Path, "--force", "--device", "cuda:99"], "device");
        Assert.AreEqual(before, Snapshot(s_run.Path), "not even by force where the new run cannot begin");

        var run = s_run.Copy("replaced");
        Assert.AreEqual(0, CommandLine.Run("train", s_run.Graph.ConfigFile, "--run", run, "--force", "--set", "modalities=structure", "--set", "training.unimodal.epochs=1").Code);
        Assert.IsFalse(File.Exists(Path.Combine(run, "features", "text.safetensors")));
        Assert.DoesNotContain("resuming", File.ReadAllText(Path.Combine(run, "log.txt")));
    }

    [TestMethod]
    public void ARestOfARun_IsNotTakenForItsBeginning()
    {
        var run = s_run.Copy("rest");
        File.Delete(Path.Combine(run, "config.yaml"));
        Refused(["train", s_run.Graph.ConfigFile, "--run", run], run, "without its config.yaml", "--force");
    }

    [TestMethod]
    [DataRow("resume")]
    [DataRow("evaluate")]
    public void AFolderThatIsNoRun(string command) => Refused([command, s_graph.Data], s_graph.Data, "is no run", "config.yaml is missing");

    [TestMethod]
    public void ARunAtWork_IsLeftAlone()
    {
        using var held = RunFolder.Open(s_run.Path);
        Refused(["resume", s_run.Path], s_run.Path, "another moodle process works on this run");
        Refused(["train", s_run.Graph.ConfigFile, "--run", s_run.Path, "--force"], "another moodle process works on this run");
    }

    [TestMethod]
    [DataRow("tiny.yaml/run")]
    [DataRow("/proc/run")]
    public void UnwritableRunFolder(string run) => Refused(["train", s_graph.ConfigFile, "--run", s_graph[run]], s_graph[run], "cannot be", "--run");

    [TestMethod]
    public void NoCheckpointYet()
    {
        var run = s_run.Copy("young");
        File.Delete(Path.Combine(run, "checkpoints", "best.json"));
        Refused(["evaluate", run], run, "no 'best' checkpoint yet", $"moodle resume {run}");
        Refused(["evaluate", run, "--checkpoint", "none.json"], "none.json: no such checkpoint", "best, last or the JSON file");
    }

    [TestMethod]
    public void CheckpointBeforeThereIsAModel()
    {
        var run = s_run.Copy("encoding");
        var last = Path.Combine(run, "checkpoints", "last.json");
        File.WriteAllText(last, File.ReadAllText(last).Replace("\"refit\"", "\"encode text\"", StringComparison.Ordinal));
        Refused(["predict", run, "--head", "/t/01", "--relation", "near", "--checkpoint", "last"], last, "'encode text'", $"moodle resume {run}");
    }

    [TestMethod]
    [DataRow("evaluate", "best")]
    [DataRow("resume", "last")]
    public void TruncatedCheckpoint(string command, string checkpoint)
    {
        var run = s_run.Copy("truncated" + checkpoint);
        var tensors = SmallRun.TensorsOf(run, checkpoint);
        File.WriteAllBytes(tensors, File.ReadAllBytes(tensors)[..^1000]);
        Refused([command, run], Path.Combine(run, "checkpoints", checkpoint + ".json"), tensors, "cut off", "--force");
    }

    [TestMethod]
    [DataRow("{ \"format\": 1, ", "not a readable checkpoint")]
    [DataRow("{ \"format\": 7, \"tensors\": \"x\" }", "format 1 expected")]
    [DataRow("null", "format 1 expected")]
    [DataRow("{ \"format\": 1, \"tensors\": \"gone.safetensors\", \"stage\": \"fusion\" }", "gone.safetensors")]
    public void CorruptedCheckpoint(string json, string problem)
    {
        var run = s_run.Copy("corrupted" + Guid.NewGuid());
        var file = Path.Combine(run, "checkpoints", "best.json");
        File.WriteAllText(file, json);
        Refused(["evaluate", run], file, problem);
    }

    [TestMethod]
    public void CheckpointOfAnotherConfiguration()
    {
        var run = s_run.Copy("other");
        var config = Path.Combine(run, "config.yaml");
        File.WriteAllText(config, File.ReadAllText(config).Replace("rank: 8", "rank: 9", StringComparison.Ordinal));
        var best = Path.Combine(run, "checkpoints", "best.json");
        Refused(["evaluate", run], best, "shape", "this configuration needs", "use the configuration");

        File.WriteAllText(config, File.ReadAllText(config).Replace("[structure, text, image]", "[text, image]", StringComparison.Ordinal).Replace("rank: 9", "rank: 8", StringComparison.Ordinal));
        Refused(["evaluate", run], best, "configuration");
    }

    [TestMethod]
    public void ADataSetThatChangedUnderARun()
    {
        using var run = new SmallRun("modalities=structure", "training.unimodal.epochs=1");
        var train = InData(run.Graph, "train.tsv");
        var lines = File.ReadAllLines(train);
        File.WriteAllLines(train, lines[..^1]);
        Refused(["resume", run.Path], run.Graph.Data, "training triples are not those", "restore the data set");
        Refused(["evaluate", run.Path], run.Graph.Data, "training triples are not those");
        File.WriteAllLines(train, lines.Select(line => line.Replace("/t/59", "/t/60", StringComparison.Ordinal)));
        Refused(["predict", run.Path, "--head", "/t/01", "--relation", "near"], run.Graph.Data, "entities or relations are not those", "--force");
        File.WriteAllLines(train, lines);
        CommandLine.Done("evaluate", run.Path);
        File.Delete(Path.Combine(run.Path, "checkpoints", "vocabularies.json"));
        Refused(["evaluate", run.Path], "vocabularies.json", "cannot be read", "--force");
    }

    [TestMethod]
    public void BadDevice()
    {
        Refused(["train", s_graph.ConfigFile, "--device", "gpu"], "device", "'gpu'", "cpu, cuda or cuda:N");
        Refused(["evaluate", s_run.Path, "--device", "gpu"], "device", "gpu", "cpu, cuda or cuda:N");
        if (torch.cuda.is_available())
        {
            Assert.Inconclusive("there is a GPU");
        }

        Refused(["train", s_graph.ConfigFile, "--device", "cuda"], "device: cuda cannot be used", "take device cpu");
    }

    // Queries.

    [TestMethod]
    public void UnknownEntity() => RefusedQuery(["--head", "Twon 7", "--relation", "near"], "no entity is called 'Twon 7'", "'Town 7' (/t/07)");

    [TestMethod]
    public void UnknownRelation() => RefusedQuery(["--head", "Town 7", "--relation", "neer"], "no relation is called 'neer'", "'near'");

    [TestMethod]
    public void AmbiguousName()
    {
        using var run = new SmallRun("modalities=structure", "training.unimodal.epochs=1");
        var names = InData(run.Graph, "entity2text.txt");
        File.WriteAllText(names, File.ReadAllText(names).Replace("Town 8\n", "Town 7\n", StringComparison.Ordinal));
        Refused(["predict", run.Path, "--head", "Town 7", "--relation", "near"], "'Town 7' is the name of 2 entities", "/t/07", "/t/08");
    }

    [TestMethod]
    public void AQueryThatAsksForNothing()
    {
        RefusedQuery(["--head", "Town 7", "--tail", "Town 8", "--relation", "near"], "head or a tail, not both", "leave out the one");
        RefusedQuery(["--relation", "near"], "needs a head or a tail");
        RefusedQuery(["--head", "Town 7"], "needs a relation");
        RefusedQuery(["--in", "x.csv"], "--in needs --out");
        RefusedQuery(["--in", "x.csv", "--out", "y.csv", "--head", "Town 7"], "--in FILE --out FILE for many");
    }

    [TestMethod]
    [DataRow("", "empty", "head, relation, tail")]
    [DataRow("a,b\n", ":1:", "found the columns a, b")]
    [DataRow("head,relation,tail\n", "holds no queries")]
    [DataRow("head,relation,tail\nTown 7,near,\nTown 77,near,\n", ":3:", "no entity is called 'Town 77'")]
    public void BadFileOfQueries(string text, params string[] words)
    {
        var file = s_graph["queries.csv"];
        File.WriteAllText(file, text);
        RefusedQuery(["--in", file, "--out", s_graph["answers.csv"]], [file, .. words]);
        Assert.IsFalse(File.Exists(s_graph["answers.csv"]));
        RefusedQuery(["--in", s_graph["none.csv"], "--json"], s_graph["none.csv"], "no such file");
    }

    // The disk.

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void FullDisk_UnderResults()
    {
        Refused(["evaluate", s_run.Path, "--json", "/dev/full"], "/dev/full: cannot be written", "No space left", "free some space");
        Refused(["evaluate", s_run.Path, "--ranks", "/dev/full"], "/dev/full: cannot be written");
        Refused(["data", "inspect", s_graph.Data, "--json", "/dev/full"], "/dev/full: cannot be written");
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void FullDisk_UnderACheckpoint_LeavesTheOneBefore()
    {
        using var graph = new TinyGraph();
        string[] sets = ["training.unimodal.epochs=8", "training.patience=0"];
        using (var source = new CancellationTokenSource())
        {
            var monitor = new Heard(task => (task.StartsWith("unimodal 3/", StringComparison.Ordinal) ? source : null)?.Cancel());
            Assert.ThrowsExactly<OperationCanceledException>(() => Trainer.Start(graph.Config(sets), graph["run"], new(), monitor, source.Token));
        }

        var (run, tensors) = (graph["run"], SmallRun.TensorsOf(graph["run"], "last"));
        var before = Snapshot(Path.Combine(run, "checkpoints"));
        using (var process = MoodleProcess.StartWithLargestFile(new FileInfo(tensors).Length / 2048, "resume", run))
        {
            process.End().IsRefusal(Path.Combine(run, "checkpoints"), "cannot be written", "free some space");
        }

        Assert.AreEqual(before, Snapshot(Path.Combine(run, "checkpoints")));
        Trainer.Resume(run, new Heard(), CancellationToken.None);
        Trainer.Start(graph.Config(sets), graph["whole"], new(), new Heard(), CancellationToken.None);
        Assert.AreEqual(
            TrainerTests.Metrics(File.ReadAllText(Path.Combine(graph["whole"], "results.json"))), TrainerTests.Metrics(File.ReadAllText(Path.Combine(run, "results.json"))));
    }

    private static void Refused(string[] args, params string[] words) => CommandLine.Refused(args, words);

    private static void RefusedQuery(string[] args, params string[] words) => CommandLine.Refused(["predict", s_run.Path, .. args], words);

    // A run that is there stays as it is, and no new one begins.
    private static void BadData(Action<TinyGraph> damage, params string[] words)
    {
        using var graph = new TinyGraph();
        damage(graph);
        CommandLine.Refused(["train", graph.ConfigFile, "--run", graph["run"]], words);
        Assert.IsFalse(Directory.Exists(graph["run"]));
    }

    private static string InData(TinyGraph graph, string name) => Path.Combine(graph.Data, name);

    private static string Snapshot(string folder) => string.Join('\n', Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Order()
        .Select(file => $"{file} {new FileInfo(file).Length} {File.GetLastWriteTimeUtc(file).Ticks}"));
}
