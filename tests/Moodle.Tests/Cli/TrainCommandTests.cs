using Moodle.Tests.Training;

namespace Moodle.Tests.Cli;

[TestClass]
public sealed class TrainCommandTests
{
    [TestMethod]
    public void NoTest_LeavesTheTestUnread_UntilEvaluateIsAsked()
    {
        using var graph = new TinyGraph();
        string[] train = ["train", graph.ConfigFile, "--run", graph["run"], "--no-test", "--set", "modalities=structure", "--set", "training.unimodal.epochs=1"];
        Assert.Contains($"moodle evaluate {graph["run"]}", CommandLine.Done(train));
        Assert.Contains("not looked at", CommandLine.Done("resume", graph["run"]));
        Assert.IsFalse(File.Exists(Path.Combine(graph["run"], "results.json")));
        Assert.DoesNotContain("test structure", File.ReadAllText(Path.Combine(graph["run"], "log.txt")));
        Assert.Contains("MRR", CommandLine.Done("evaluate", graph["run"]));
    }
}
