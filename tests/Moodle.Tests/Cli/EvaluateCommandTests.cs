using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Moodle.Tests.Training;

namespace Moodle.Tests.Cli;

[TestClass]
public sealed class EvaluateCommandTests
{
    private static readonly string[] s_figures = ["mrr", "mr", "hits_at_1", "hits_at_3", "hits_at_5", "hits_at_10", "amri", "count"];
    private static SmallRun s_run = null!;

    [ClassInitialize]
    public static void Train(TestContext _) => s_run = new SmallRun();

    [ClassCleanup]
    public static void Delete() => s_run.Dispose();

    [TestMethod]
    public void Train_PrintsItsResultsAndKeepsMessagesApart()
    {
        Assert.AreEqual(0, s_run.Trained.Code, s_run.Trained.Error);
        Assert.Contains("test: 40 triples, filtered, realistic ranks over 60 entities", s_run.Trained.Out);
        Assert.AreEqual($"results: {Path.Combine(s_run.Path, "results.json")}", s_run.Trained.Out.TrimEnd('\n').Split('\n')[^1]);
        Assert.StartsWith($"run: {s_run.Path}\n", s_run.Trained.Error);
        Assert.Contains("fusion 2/2: validation MRR", s_run.Trained.Error);
        Assert.DoesNotContain("\u001b", s_run.Trained.Out + s_run.Trained.Error);
    }

    [TestMethod]
    public void Json_HasTheKeysAndEqualsTheRunsResults()
    {
        var file = s_run.Graph["figures/test.json"];
        var output = CommandLine.Done("evaluate", s_run.Path, "--json", file);
        Assert.Contains("fusion", output);
        Assert.Contains("distinct queries in", output);
        Assert.AreEqual(TrainerTests.Metrics(File.ReadAllText(Path.Combine(s_run.Path, "results.json"))), TrainerTests.Metrics(File.ReadAllText(file)));

        var json = JsonNode.Parse(File.ReadAllText(file))!;
        Assert.AreEqual("realistic", (string?)json["ranks"]);
        Assert.AreEqual("test", (string?)json["split"]);
        CollectionAssert.AreEqual(new[] { "fusion", "structure", "text", "image" }, json["branches"]!.AsObject().Select(branch => branch.Key).ToArray());
        foreach (var (name, branch) in json["branches"]!.AsObject())
        {
            foreach (var side in new[] { "both", "head", "tail" })
            {
                foreach (var figures in new[] { branch![side], branch["ties"]!["optimistic"]![side], branch["ties"]!["pessimistic"]![side] })
                {
                    CollectionAssert.AreEqual(s_figures, figures!.AsObject().Select(figure => figure.Key).ToArray(), $"{name} {side}");
                    Assert.AreEqual((side == "both" ? 2 : 1) * TinyGraph.TestTriples, (int?)figures["count"]);
                }
            }
        }
    }

    [TestMethod]
    public void Ranks_HaveARowForEachTripleSideAndBranchAndGiveTheFigures()
    {
        var (ranks, json) = (s_run.Graph["ranks.csv"], s_run.Graph["validation.json"]);
        CommandLine.Done("evaluate", s_run.Path, "--split", "validation", "--ranks", ranks, "--json", json);
        var rows = File.ReadAllLines(ranks);
        Assert.AreEqual("head,relation,tail,side,branch,rank_optimistic,rank_pessimistic,rank_realistic,candidates", rows[0]);
        Assert.HasCount(1 + (40 * 2 * 4), rows);
        var mrr = rows.Skip(1).Select(row => row.Split(',')).Where(row => row[4] == "text").Average(row => 1 / double.Parse(row[7], CultureInfo.InvariantCulture));
        using var figures = JsonDocument.Parse(File.ReadAllText(json));
        Assert.AreEqual(mrr, figures.RootElement.GetProperty("branches").GetProperty("text").GetProperty("both").GetProperty("mrr").GetDouble(), 1e-12);
        Assert.AreEqual("validation", figures.RootElement.GetProperty("split").GetString());
    }

    [TestMethod]
    public void Checkpoint_IsBestUnlessSaidOtherwise()
    {
        string Evaluate(params string[] more)
        {
            CommandLine.Done(["evaluate", s_run.Path, "--device", "cpu", "--json", s_run.Graph["one.json"], .. more]);
            return TrainerTests.Metrics(File.ReadAllText(s_run.Graph["one.json"]));
        }

        Assert.AreEqual(Evaluate(), Evaluate("--checkpoint", "best"));
        Assert.AreEqual(Evaluate("--checkpoint", "last"), Evaluate("--checkpoint", Path.Combine(s_run.Path, "checkpoints", "last.json")));
    }

    [TestMethod]
    public void AFileThatCannotBeWritten_DoesNotCostTheFigures()
    {
        var answer = CommandLine.Run("evaluate", s_run.Path, "--json", Path.Combine(s_run.Graph.ConfigFile, "x.json"));
        answer.IsRefusal("x.json", "cannot be written");
        Assert.Contains("fusion", answer.Out);
    }
}
