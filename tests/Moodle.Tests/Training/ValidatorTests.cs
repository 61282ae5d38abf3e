using Moodle.Tests.Evaluation;
using Moodle.Tests.Support;
using Moodle.Training;

namespace Moodle.Tests.Training;

[TestClass]
public sealed class ValidatorTests
{
    [NoTensorLeak]
    public void ScoresThatAreNoNumbers_EndTheRun_AndSayWhose()
    {
        var graph = EvaluationData.Graph(5, 1, [], [new(0, 0, 1), new(2, 0, 3)], []);
        TableScorer Scorer(float odd) => new(5, 1, ["fusion", "paths"], (branch, entity, relation, candidate) => branch == 1 && entity == 2 && candidate == 3 ? odd : candidate);
        using var tiny = new TinyGraph();
        using var validator = new Validator(graph, tiny.Config());
        Assert.HasCount(2, validator.Run(Scorer(9), (_, _) => { }, CancellationToken.None));
        var thrown = Assert.ThrowsExactly<LossNotFiniteException>(() => validator.Run(Scorer(float.NaN), (_, _) => { }, CancellationToken.None));
        Assert.Contains("1 of 4 answers have no number for a score by paths", thrown.Message);
    }
}
