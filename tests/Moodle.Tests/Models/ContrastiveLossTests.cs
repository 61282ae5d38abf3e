using Moodle.Configuration;
using Moodle.Models;
using Moodle.Tests.Support;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Models;

[TestClass]
public sealed class ContrastiveLossTests
{
    private const int Entities = 10;
    private const int Hidden = 6;
    private const double Temperature = 0.2;
    private static readonly ContrastConfig Config = new() { ModalityWeight = 0.3, QueryWeight = 0.7, HardNegatives = 0, Temperature = Temperature };

    // Query 0 and 3 have the same answer; 5 is also an answer of query 1, and 7 of query 2.
    private static readonly long[] Answers = [2, 4, 5, 2];
    private static readonly int[][] Known = [[2], [4, 5], [5, 7], [2, 9]];

    [NoTensorLeak]
    public void BetweenModalities_IsSymmetricInfoNce()
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var (first, second) = (Unit(5), Unit(5));
        var (a, b) = (Rows(first), Rows(second));
        var expected = Enumerable.Range(0, 5).Average(i =>
            -LogSoftmax([.. b.Select(other => Dot(a[i], other) / Temperature)])[i] - LogSoftmax([.. a.Select(other => Dot(b[i], other) / Temperature)])[i]);
        var loss = new ContrastiveLoss(Config);
        AreClose([expected * 0.3 / 2], loss.BetweenModalities(first, second));
        AreClose([expected * 0.3 / 2], loss.BetweenModalities(second, first));
    }

    [NoTensorLeak]
    [DataRow(0)]
    [DataRow(3)]
    [DataRow(1000)]
    public void BetweenQueriesAndAnswers_IsInfoNceWithoutFalseNegatives(int hardNegatives)
    {
        using var scope = NewDisposeScope();
        manual_seed(2);
        var (queries, candidates, scores) = (Unit(Answers.Length), Unit(Entities), randn(Answers.Length, Entities));
        AreClose([Expected(queries, candidates, scores, hardNegatives)],
            Loss(hardNegatives).BetweenQueriesAndAnswers(queries, candidates, tensor(Answers), Mask(), scores));
    }

    [NoTensorLeak]
    public void HardNegatives_AreNeverKnownAnswers()
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        var (queries, candidates) = (Unit(Answers.Length), Unit(Entities).requires_grad_(true));
        // Known answers score highest, then candidate 0: it is the hard negative of every query.
        var scores = zeros(Answers.Length, Entities).masked_fill(Mask(), 100);
        scores[TensorIndex.Colon, 0] = 50;
        Loss(1).BetweenQueriesAndAnswers(queries, candidates, tensor(Answers), Mask(), scores).backward();
        var touched = Flat(candidates.grad!.abs().sum(1)).Select((size, entity) => (size, entity)).Where(pair => pair.size > 0).Select(pair => pair.entity);
        CollectionAssert.AreEqual(new[] { 0, 2, 4, 5 }, touched.ToArray());
    }

    [NoTensorLeak]
    public void TheTemperature_IsLearned_AndScoresAreNot()
    {
        using var scope = NewDisposeScope();
        manual_seed(4);
        var loss = Loss(2);
        var scores = randn(Answers.Length, Entities, requires_grad: true);
        loss.BetweenQueriesAndAnswers(Unit(Answers.Length), Unit(Entities), tensor(Answers), Mask(), scores).backward();
        Assert.IsNull(scores.grad);
        Assert.AreNotEqual(0, loss.parameters().Single().grad!.item<float>());
    }

    [NoTensorLeak]
    public void HalfPrecisionAndABoundedTemperature_HoldForHardNegativesToo()
    {
        using var scope = NewDisposeScope();
        manual_seed(5);
        var (queries, candidates, scores) = (Unit(Answers.Length).bfloat16(), Unit(Entities).bfloat16(), randn(Answers.Length, Entities));
        AreClose([Expected(queries, candidates, scores, 3)], Loss(3).BetweenQueriesAndAnswers(queries, candidates, tensor(Answers), Mask(), scores));

        // No colder than 0.005: at 1e-9 the terms would be beyond 1e8.
        var cold = Loss(3);
        using (no_grad())
        {
            cold.parameters().Single().fill_((float)Math.Log(1e-9));
        }

        var loss = cold.BetweenQueriesAndAnswers(queries, candidates, tensor(Answers), Mask(), scores).item<float>();
        Assert.IsLessThan(2 / 0.005, loss);
    }

    private static double Expected(Tensor queries, Tensor candidates, Tensor scores, int hardNegatives)
    {
        var (q, c, s) = (Rows(queries), Rows(candidates), Rows(scores));
        var n = Answers.Length;
        double Similarity(int query, long entity) => Dot(q[query], c[entity]) / Temperature;
        bool IsNegative(int query, int other) => !Known[query].Contains((int)Answers[other]);
        var total = 0.0;
        for (var i = 0; i < n; i++)
        {
            var hard = Enumerable.Range(0, Entities).Where(entity => !Known[i].Contains(entity)).OrderByDescending(entity => s[i][entity]).Take(hardNegatives);
            var forward = Enumerable.Range(0, n).Where(j => IsNegative(i, j)).Select(j => Similarity(i, Answers[j])).Concat(hard.Select(entity => Similarity(i, entity)));
            var backward = Enumerable.Range(0, n).Where(j => IsNegative(j, i)).Select(j => Similarity(j, Answers[i]));
            var gold = Similarity(i, Answers[i]);
            total -= LogSoftmax([gold, .. forward])[0] + LogSoftmax([gold, .. backward])[0];
        }

        return total / n * 0.7 / 2;
    }

    private static ContrastiveLoss Loss(int hardNegatives) => new(Config with { HardNegatives = hardNegatives });

    private static Tensor Unit(int rows) => nn.functional.normalize(randn(rows, Hidden), dim: 1);

    private static Tensor Mask()
    {
        var mask = zeros(Known.Length, Entities, dtype: ScalarType.Bool);
        for (var row = 0; row < Known.Length; row++)
        {
            foreach (var entity in Known[row])
            {
                mask[row, entity] = true;
            }
        }

        return mask;
    }
}
