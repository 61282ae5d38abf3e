using Moodle.Models;
using Moodle.Tests.Support;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Models;

[TestClass]
public sealed class OneVsAllGradientTests
{
    private const int Entities = 9;

    [NoTensorLeak]
    [DataRow(0.0)]
    [DataRow(0.1)]
    [DataRow(0.7)]
    public void GroupedQueries_CostWhatTheirTriplesCostOneByOne(double smoothing)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var (logits, batch, queries) = Example();
        var rows = Rows(logits);
        var expected = queries.Select((answers, q) => answers.Sum(answer => answer.Count * CrossEntropy(rows[q], answer.Entity, smoothing)));
        AreClose([.. expected], new OneVsAllGradient(logits, Entities, batch, smoothing).Losses);
    }

    [NoTensorLeak]
    [DataRow(0.0)]
    [DataRow(0.3)]
    public void TheGradient_IsWeightTimesSoftmaxLessTheTarget(double smoothing)
    {
        using var scope = NewDisposeScope();
        manual_seed(2);
        var (logits, batch, queries) = Example();
        var rows = Rows(logits);
        var expected = queries.SelectMany((answers, q) =>
        {
            var weight = answers.Sum(answer => answer.Count);
            return LogSoftmax(rows[q]).Select((logP, entity) => (weight * Math.Exp(logP))
                - ((1 - smoothing) * answers.Where(answer => answer.Entity == entity).Sum(answer => answer.Count))
                - (smoothing * weight / Entities));
        });
        AreClose([.. expected], new OneVsAllGradient(logits, Entities, batch, smoothing).Of(ones([]), null, keepLogits: true));
    }

    [NoTensorLeak]
    public void LargeLogits_StayFinite()
    {
        using var scope = NewDisposeScope();
        var batch = Batches.Of((0, 0, [(1, 1)]));
        AreClose([20000], new OneVsAllGradient(tensor(new[] { 1e4f, -1e4f }, 1, 2), 2, batch, 0).Losses);
    }

    private static (Tensor Logits, QueryBatch Batch, (int Entity, int Count)[][] Answers) Example()
    {
        // One answer, several, several of them stated more than once, and all entities.
        (int, int)[][] answers = [[(3, 1)], [(0, 1), (8, 1)], [(2, 3), (4, 1), (5, 2)], [.. Enumerable.Range(0, Entities).Select(i => (i, 1))]];
        return (randn(answers.Length, Entities).mul_(3), Batches.Of([.. answers.Select((set, q) => (q, 0, set))]), answers);
    }

    private static double CrossEntropy(double[] logits, int gold, double smoothing) =>
        -LogSoftmax(logits).Select((logP, i) => logP * ((i == gold ? 1 - smoothing : 0) + (smoothing / logits.Length))).Sum();
}
