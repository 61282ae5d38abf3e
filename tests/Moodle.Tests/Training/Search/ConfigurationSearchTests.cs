using Moodle.Configuration;
using Moodle.Training;
using Moodle.Training.Search;
using static TorchSharp.torch;

namespace Moodle.Tests.Training.Search;

/// <summary>Searches of a few seconds: what they choose, what they leave behind, and that they go on where they stopped.</summary>
[TestClass]
public sealed class ConfigurationSearchTests
{
    private static readonly string[] s_sets = ["modalities=structure", "training.unimodal.epochs=4"];

    // One rate of three diverges at once.
    private const string Space = """
        tries: 4
        keep: 2
        rungs: 2
        space:
          structure.rank: {from: 4, to: 16}
          training.unimodal.learning_rate: [0.05, 0.2, 1e30]
        """;

    private static TinyGraph s_graph = null!;
    private static SearchResult s_result = null!;
    private static Heard s_heard = null!;

    [ClassInitialize]
    public static void SearchOnce(TestContext _)
    {
        s_graph = new TinyGraph();
        (s_result, s_heard) = Search(s_graph, "whole");
    }

    [ClassCleanup]
    public static void Delete() => s_graph.Dispose();

    [TestMethod]
    public void EveryRun_IsAnOrdinaryOne_WithItsRungsEpochs_AndWithoutATest()
    {
        Assert.HasCount(5, s_result.Tries);
        foreach (var (tried, rung, outcome) in s_result.Runs)
        {
            var run = RunPath("whole", tried.Number, rung);
            var config = RunFolder.ReadConfig(run);
            Assert.AreEqual(rung == 1 ? 2 : 4, config.Training.Unimodal.Epochs);
            Assert.AreEqual(ConfigLoader.ToYaml(new SearchPlan { Tries = 4, Keep = 2, Rungs = 2 }.Scale(tried.Config, rung)), ConfigLoader.ToYaml(config));
            Assert.IsFalse(File.Exists(Path.Combine(run, "results.json")));
            var validations = TrainerTests.ReadMetrics(run).Where(line => line.GetProperty("event").GetString() == "validation")
                .Select(line => line.GetProperty("branches").GetProperty("structure").GetProperty("mrr").GetDouble()).ToArray();
            Assert.AreEqual(outcome.Problem is null ? validations.Max() : null, outcome.ValidationMrr);
        }
    }

    [TestMethod]
    public void TheBestHalf_GoesOn_AndTheStartAlways()
    {
        var first = s_result.Runs.Where(run => run.Rung == 1).ToArray();
        CollectionAssert.AreEquivalent(new[] { 0, 1, 2, 3, 4 }, first.Select(run => run.Try.Number).ToArray());
        var fine = first.Where(run => run.Try.Number > 0 && run.Outcome.ValidationMrr is not null).OrderByDescending(run => run.Outcome.ValidationMrr).Take(2);
        CollectionAssert.AreEquivalent(fine.Select(run => run.Try.Number).Append(0).ToArray(), s_result.Runs.Where(run => run.Rung == 2).Select(run => run.Try.Number).ToArray());
        Assert.AreEqual(s_result.Runs.Where(run => run.Rung == 2).Max(run => run.Outcome.ValidationMrr), s_result.Best!.Outcome.ValidationMrr);
        Assert.IsGreaterThanOrEqualTo(s_result.Runs.Single(run => run is { Rung: 2, Try.Number: 0 }).Outcome.ValidationMrr!.Value, s_result.Best.Outcome.ValidationMrr!.Value);
    }

    [TestMethod]
    public void AFailingTry_IsNamed_ComesLast_AndTheSearchGoesOn()
    {
        var failed = s_result.Runs.Where(run => run.Outcome.ValidationMrr is null).ToArray();
        Assert.IsNotEmpty(failed, "the space holds a rate that diverges");
        Assert.IsTrue(failed.All(run => run.Rung == 1 && run.Outcome.Problem!.Contains("no longer a finite number", StringComparison.Ordinal)));
        CollectionAssert.AreEqual(failed, s_result.Runs[^failed.Length..].ToArray());
        Assert.Contains(line => line.Contains($"try {failed[0].Try.Number} (", StringComparison.Ordinal) && line.Contains("failed (unimodal", StringComparison.Ordinal), s_heard.Messages);
    }

    [TestMethod]
    public void WhereAllFail_ThereIsATableAndNoBest()
    {
        var (result, _) = Search(s_graph, "failing", sets: [.. s_sets, "training.unimodal.learning_rate=1e30"], space: "tries: 1\nrungs: 2\nspace:\n  structure.rank: [3]\n");
        Assert.IsNull(result.Best);
        Assert.HasCount(3, File.ReadAllLines(result.TablePath));
        Assert.IsFalse(File.Exists(result.BestPath));
    }

    [TestMethod]
    public void OutOfMemory_IsATrysOwnFailure_AndAnythingElseIsNot()
    {
        var error = Assert.Throws<Exception>(() => empty(1L << 59));
        Assert.Contains("out of memory", SearchOutcome.ProblemOf(error)!, error.Message);
        Assert.Contains("out of memory", SearchOutcome.ProblemOf(new InvalidOperationException("CUDA out of memory. Tried to allocate 2.00 GiB.\nException raised from malloc"))!);
        Assert.IsNull(SearchOutcome.ProblemOf(new InputException("disk full")));
        Assert.IsNull(SearchOutcome.ProblemOf(new OperationCanceledException()));
    }

    [TestMethod]
    public void OnlyTheBestRun_KeepsItsTensors()
    {
        var kept = Directory.GetFiles(s_graph["whole"], "*.safetensors", SearchOption.AllDirectories).Select(file => Path.GetDirectoryName(Path.GetDirectoryName(file))).Distinct().ToArray();
        CollectionAssert.AreEqual(new[] { RunPath("whole", s_result.Best!.Try.Number, 2) }, kept);
        using var model = TrainedModel.Load(kept[0]!, "best");
        Assert.IsTrue(s_result.Runs.All(run => File.Exists(Path.Combine(RunPath("whole", run.Try.Number, run.Rung), "metrics.jsonl"))));
    }

    [TestMethod]
    public void ARunOfASearch_IsNotResumedIntoItsTest()
    {
        var run = RunPath("whole", s_result.Best!.Try.Number, 2);
        Assert.IsNull(Trainer.Resume(run, new Heard(), CancellationToken.None));
        Assert.IsFalse(File.Exists(Path.Combine(run, "results.json")));
    }

    [TestMethod]
    public void BestYaml_TrainsToTheSameFigure()
    {
        var state = Trainer.TrainOnly(ConfigLoader.Load(s_result.BestPath, []), s_graph["best"], new Heard(), CancellationToken.None);
        Assert.AreEqual(s_result.Best!.Outcome.ValidationMrr, state.Best.Values.Single().Mrr);
    }

    [TestMethod]
    public void MoreTries_KeepTheDraws_AndWhatWasDone()
    {
        using var graph = new TinyGraph();
        var (few, _) = Search(graph, "grown", space: Space.Replace("tries: 4", "tries: 2", StringComparison.Ordinal));
        CollectionAssert.AreEqual(s_result.Tries.Take(3).Select(Text).ToArray(), few.Tries.Select(Text).ToArray());
        var written = File.GetLastWriteTimeUtc(Path.Combine(RunPath(graph, "grown", 1, 1), "metrics.jsonl"));
        var (many, _) = Search(graph, "grown");
        Assert.AreEqual(written, File.GetLastWriteTimeUtc(Path.Combine(RunPath(graph, "grown", 1, 1), "metrics.jsonl")), "what has ended is not trained again");
        CollectionAssert.AreEqual(s_result.Tries.Select(Text).ToArray(), many.Tries.Select(Text).ToArray());
        CollectionAssert.IsSubsetOf(Figures(s_result), Figures(many), "runs of the smaller search may stand besides");
        CollectionAssert.IsSubsetOf(Figures(few), Figures(many));

        static string Text(SearchTry tried) => $"{tried.Number} {string.Join(' ', tried.Settings.Select(setting => $"{setting.Key}={setting.Text}"))}";
    }

    [TestMethod]
    public void AnotherSeed_DrawsOthers()
    {
        var other = SearchTry.Draw(SpaceOf(s_graph, Space), s_graph.ConfigFile, [.. s_sets, "seed=2"]);
        Assert.AreNotEqual(string.Join(' ', s_result.Tries.SelectMany(tried => tried.Settings).Select(setting => setting.Text)), string.Join(' ', other.SelectMany(tried => tried.Settings).Select(setting => setting.Text)));
    }

    [TestMethod]
    public void CancelledAgainAndAgain_EndsInTheSameTable()
    {
        for (var stops = 0; ; stops++)
        {
            Assert.IsLessThan(100, stops);
            using var source = new CancellationTokenSource();
            var left = 11;
            var heard = new Heard(_ =>
            {
                if (--left == 0)
                {
                    source.Cancel();
                }
            });
            try
            {
                var (result, _) = Search(s_graph, "cancelled", heard: heard, cancellation: source.Token);
                Assert.IsGreaterThan(2, stops);
                CollectionAssert.AreEqual(Figures(s_result), Figures(result));
                CollectionAssert.AreEqual(Table(s_result), Table(result));
                break;
            }
            catch (OperationCanceledException)
            {
                Assert.IsFalse(File.Exists(Path.Combine(s_graph["cancelled"], "tune.csv")));
            }
        }
    }

    [TestMethod]
    public void TheTest_HasNoSay()
    {
        Assert.AreEqual(0, s_heard.Tasks.Count(task => task.EndsWith("test", StringComparison.Ordinal)), "Trainer's name for the ranking of the test split");
        using var graph = new TinyGraph();
        // A test split of training triples: whoever looked at it would find other figures.
        File.WriteAllLines(Path.Combine(graph.Data, "test.tsv"), File.ReadLines(Path.Combine(graph.Data, "train.tsv")).Take(150));
        string[] sets = ["modalities=structure,text", "training.unimodal.epochs=2", "text.document.triples=true"];
        const string Small = "tries: 1\nrungs: 1\nspace:\n  structure.rank: [6]\n";
        var (plain, _) = Search(s_graph, "plain", sets: sets, space: Small);
        var (poisoned, _) = Search(graph, "poisoned", sets: sets, space: Small);
        CollectionAssert.AreEqual(Figures(plain), Figures(poisoned));
    }

    [TestMethod]
    public void ValuesThatDoNotGoTogether_AreRefusedBeforeAnythingIsTrained()
    {
        var error = Assert.ThrowsExactly<InputException>(() => Search(s_graph, "refused", space: "tries: 9\nspace:\n  text.encoder.heads: [2, 3]\n"));
        Assert.Contains("'text.encoder.hidden_size'", error.Message);
        Assert.Contains("text.encoder.heads=3", error.Message);
        error = Assert.ThrowsExactly<InputException>(() => Search(s_graph, "refused", sets: ["modalities=text"], space: "space:\n  text.encoder.pretrained.path: [null, no/such]\n"));
        Assert.Contains("no/such", error.Message);
        error = Assert.ThrowsExactly<InputException>(() => Search(s_graph, "refused", sets: ["modalities=text"], space: "space:\n  text.features.file: [null, none.npy]\n"));
        Assert.Contains("none.npy", error.Message);
        Assert.IsFalse(Directory.Exists(s_graph["refused"]));
    }

    private static (SearchResult Result, Heard Heard) Search(TinyGraph graph, string name, string[]? sets = null, string space = Space, Heard? heard = null, CancellationToken cancellation = default)
    {
        heard ??= new Heard();
        return (ConfigurationSearch.Run(graph.ConfigFile, sets ?? s_sets, SpaceOf(graph, space), graph[name], force: false, heard, cancellation), heard);
    }

    private static SearchSpace SpaceOf(TinyGraph graph, string space)
    {
        File.WriteAllText(graph["space.yaml"], space);
        return SearchSpaceReader.Read(graph["space.yaml"]);
    }

    private static string RunPath(string search, int number, int rung) => RunPath(s_graph, search, number, rung);

    private static string RunPath(TinyGraph graph, string search, int number, int rung) => Path.Combine(graph[search], $"try-{number:D3}", $"rung-{rung}");

    private static string[] Figures(SearchResult result) => [.. result.Runs.Select(run => $"{run.Try.Number} {run.Rung} {run.Outcome.ValidationMrr:R} {run.Outcome.Epoch} {run.Outcome.Problem}")];

    // Without the seconds.
    private static string[] Table(SearchResult result) => [.. File.ReadAllLines(result.TablePath).Select(line => string.Join(',', line.Split(',').Where((_, column) => column != 3)))];
}
