using Moodle.Tests.Evaluation;
using Moodle.Tests.Support;
using Moodle.Training;

namespace Moodle.Tests.Training;

[TestClass]
public sealed class ValidatorTests
{
    [NoTensorLeak]
    public void ScoresThatAreNoNumbers_AreRefused_AndItIsSaidWhose()
    {
        var graph = EvaluationData.Graph(5, 1, [], [new(0, 0, 1), new(2, 0, 3)], []);
        TableScorer Scorer(float odd) => new(5, 1, ["fusion", "paths"], (branch, entity, relation, candidate) => branch == 1 && entity == 2 && candidate == 3 ? odd : candidate);
        using var tiny = new TinyGraph();
        using var validator = new Validator(graph, tiny.Config());
        Assert.HasCount(2, validator.Run(Scorer(9), (_, _) => { }, CancellationToken.None));
        var thrown = Assert.ThrowsExactly<LossNotFiniteException>(() => validator.Run(Scorer(float.NaN), (_, _) => { }, CancellationToken.None));
        Assert.Contains("1 of 4 answers have no number for a score by paths", thrown.Message);
    }

    // One step an epoch: its loss is of the parameters before, and a number.
    [TestMethod]
    public void ARunWhoseScoresAreNoNumbers_Ends_AndNamesItsStage()
    {
        using var graph = new TinyGraph();
        var config = graph.Config("modalities=structure", "training.batch_size=10000", "training.unimodal.learning_rate=1e30", "training.unimodal.epochs=1");
        var thrown = Assert.ThrowsExactly<LossNotFiniteException>(() => Trainer.Start(config, graph["run"], new(), new Heard(), CancellationToken.None));
        Assert.MatchesRegex("^unimodal 1/1: validation: .* answers have no number for a score by structure; lower the stage's learning rate", thrown.Message);
    }
}
