using Moodle.Evaluation;
using Moodle.Models;
using Moodle.Tests.Support;
using Moodle.Training;

namespace Moodle.Tests.Training;

/// <summary>Whole runs with paths: frozen after their stage, they say the same until the end.</summary>
[TestClass]
public sealed class FrozenPathsTests
{
    [TestMethod]
    public void OnTheCpu_TheyAreWorthTheSameInEveryValidation() => AreWorthTheSame("cpu");

    [TestMethod]
    [TestCategory("Gpu")]
    public void OnAGpu_TheyAreWorthTheSameInEveryValidation()
    {
        AnyGpu.Require();
        AreWorthTheSame("cuda");
    }

    private static void AreWorthTheSame(string device)
    {
        using var graph = new TinyGraph();
        var run = graph["run"];
        string[] sets = [$"device={device}", "paths.enabled=true", "paths.hidden_size=16", "paths.layers=3", "paths.epochs=3", "training.fusion.epochs=3"];
        var report = Trainer.Start(graph.Config(sets), run, new(), new Heard(), CancellationToken.None)!;

        var validations = TrainerTests.ReadMetrics(run)
            .Where(line => line.GetProperty("event").GetString() == "validation" && line.GetProperty("stage").GetString() is "fusion" or "refit")
            .Select(line => line.GetProperty("branches")).ToArray();
        double Mrr(int validation, string branch) => validations[validation].GetProperty(branch).GetProperty("mrr").GetDouble();
        Assert.HasCount(1 + 3 + 1 + 2, validations);
        for (var i = 0; i < validations.Length; i++)
        {
            Assert.AreEqual(Mrr(0, MultimodalModel.PathsName), Mrr(i, MultimodalModel.PathsName), 1e-3, $"validation {i}");
            Assert.IsGreaterThan(0.1, Mrr(i, MultimodalScorer.FusionName), $"validation {i}");
        }

        using var model = TrainedModel.Load(run);
        var (again, _) = SplitEvaluation.Run(model.Scorer, model.Graph, Moodle.Graphs.Split.Test, model.Config.Evaluation);
        foreach (var (before, after) in report.Branches.Zip(again.Branches))
        {
            Assert.AreEqual(before.Realistic.Both.Mrr, after.Realistic.Both.Mrr, 1e-3, before.Branch);
        }
    }
}
