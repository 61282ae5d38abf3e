using Moodle.Configuration;
using Moodle.Models;
using Moodle.Tests.Support;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Models;

[TestClass]
public sealed class MutualGuidanceTests
{
    private const int Entities = 12;
    private const int Relations = 2;
    private static readonly GuidanceConfig Plain = new() { RelationAware = false, Temperature = 2, ExactEntities = Entities };

    [NoTensorLeak]
    [DataRow(1.0)]
    [DataRow(2.0)]
    public void TheExactDivergence_IsTheTeachersKlAtATemperature(double temperature)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var batch = Batches.Of((0, 0, [(1, 1)]), (1, 2, [(2, 3)]), (2, 1, [(3, 1), (4, 1)]));
        var outputs = Outputs(batch, 3, 4);
        using var guidance = new MutualGuidance(Plain with { Temperature = temperature }, 3, Relations);

        var (weights, logits) = (Flat(batch.Weights), outputs.Select(output => Rows(output.Logits)).ToArray());
        for (var student = 0; student < 3; student++)
        {
            var expected = 0.0;
            for (var teacher = 0; teacher < 3; teacher++)
            {
                expected += teacher == student ? 0 : 0.5 * Enumerable.Range(0, 3).Sum(q => weights[q] * Kl(logits[teacher][q], logits[student][q], temperature));
            }

            AreClose([expected * temperature * temperature / batch.TotalWeight], guidance.Guide(outputs, batch, 1).Losses[student]);
        }
    }

    [NoTensorLeak]
    public void TheLumpedDivergence_IsNeverNegativeNorAboveTheExactOne()
    {
        using var scope = NewDisposeScope();
        var batch = Batches.Of((0, 0, [(1, 1)]));
        for (var seed = 0; seed < 150; seed++)
        {
            using var inner = NewDisposeScope();
            manual_seed(seed);
            // From nearly even distributions to those that put all on one candidate.
            var outputs = Outputs(batch, 2, 0.01 * Math.Pow(10, seed % 5));
            var exact = Loss(Plain, outputs, batch);
            foreach (var k in new[] { 1, 3, Entities - 2 })
            {
                var lumped = Loss(Plain with { ExactEntities = 1, TopK = k }, outputs, batch);
                Assert.IsGreaterThanOrEqualTo(-1e-5, lumped, $"seed {seed}, k {k}");
                Assert.IsLessThanOrEqualTo(exact + (1e-4 * (1 + exact)), lumped, $"seed {seed}, k {k}");
            }
        }
    }

    [NoTensorLeak]
    [DataRow(Entities - 1)]
    [DataRow(Entities)]
    [DataRow(5 * Entities)]
    public void TheLumpedDivergence_IsExact_WhereTheLumpIsOneCandidateOrNone(int k)
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        var batch = Batches.Random(3, 6, Entities, Relations);
        var outputs = Outputs(batch, 2, 1.5);
        Assert.AreEqual(Loss(Plain, outputs, batch), Loss(Plain with { ExactEntities = 1, TopK = k }, outputs, batch), 1e-4);
    }

    [NoTensorLeak]
    [DataRow(Entities)]
    [DataRow(1)]
    public void AStudentThatAgrees_LearnsNothing(int exactEntities)
    {
        using var scope = NewDisposeScope();
        manual_seed(4);
        var batch = Batches.Random(4, 5, Entities, Relations);
        var teacher = Outputs(batch, 1, 3)[0];
        var student = teacher with { Logits = teacher.Logits + 7 };
        Assert.AreEqual(0, Loss(Plain with { ExactEntities = exactEntities, TopK = 3 }, [student, teacher], batch), 1e-5);
    }

    [NoTensorLeak]
    [DataRow(Entities, 1.0, false)]
    [DataRow(Entities, 2.0, true)]
    [DataRow(1, 1.0, true)]
    [DataRow(1, 2.5, false)]
    public void TheGradient_IsTheLossesSlope(int exactEntities, double temperature, bool sure)
    {
        using var scope = NewDisposeScope();
        manual_seed(5);
        var batch = Batches.Random(5, 4, Entities, Relations);
        // A sure student leaves nothing to the lump of all others.
        var outputs = Outputs(batch, 3, sure ? 40 : 2);
        using var guidance = new MutualGuidance(Plain with { ExactEntities = exactEntities, TopK = 3, Temperature = temperature }, 3, Relations);
        var gradient = Rows(guidance.Guide(outputs, batch, 0.7).Gradients[1]);
        var logits = Rows(outputs[1].Logits);
        for (var q = 0; q < 4; q++)
        {
            for (var entity = 0; entity < Entities; entity++)
            {
                const double Step = 1e-5;
                var (up, down) = ((double[][])[.. logits.Select(row => (double[])[.. row])], (double[][])[.. logits.Select(row => (double[])[.. row])]);
                up[q][entity] += Step;
                down[q][entity] -= Step;
                var slope = (Loss(up) - Loss(down)) / (2 * Step);
                Assert.AreEqual(slope, gradient[q][entity], 1e-4 * Math.Max(1, Math.Abs(slope)), $"query {q}, entity {entity}");
            }
        }

        double Loss(double[][] student) => 0.7 * temperature * temperature / batch.TotalWeight * Enumerable.Range(0, 3).Where(teacher => teacher != 1).Sum(teacher =>
        {
            var (all, weights) = (Rows(outputs[teacher].Logits), Flat(batch.Weights));
            return Enumerable.Range(0, 4).Sum(q => 0.5 * weights[q] * (exactEntities == 1 ? Lumped(all[q], student[q], temperature, 3) : Kl(all[q], student[q], temperature)));
        });
    }

    [NoTensorLeak]
    [DataRow(true)]
    [DataRow(false)]
    public void AQueryWhoseEndLacksTheModality_NeitherTeachesNorLearns(bool teacherLacks)
    {
        using var scope = NewDisposeScope();
        manual_seed(6);
        var batch = Batches.Of((0, 0, [(1, 1)]), (1, 0, [(2, 1)]));
        var outputs = Outputs(batch, 2, 3);
        var lacking = tensor(new[] { 0f, 1 });
        outputs = [.. outputs.Select((output, m) => output with { Available = (m == 1) == teacherLacks ? lacking : output.Available })];
        var only = Kl(Rows(outputs[1].Logits)[1], Rows(outputs[0].Logits)[1], 2) * 0.5 * 4 / 2;
        Assert.AreEqual(only, Loss(Plain, outputs, batch), 1e-4);

        outputs = [.. outputs.Select((output, m) => output with { Available = (m == 1) == teacherLacks ? zeros(2) : output.Available })];
        Assert.AreEqual(0, Loss(Plain, outputs, batch));
    }

    [NoTensorLeak]
    public void TheRecord_IsARunningMeanForEachRelation()
    {
        using var scope = NewDisposeScope();
        var guidance = new MutualGuidance(new GuidanceConfig(), 2, Relations);
        // Two queries of relation 0 with three triples, one of relation 3 with one.
        var batch = Batches.Of((0, 0, [(1, 1)]), (1, 0, [(2, 2)]), (2, 3, [(3, 1)]));
        guidance.Observe([tensor(new[] { 2f, 7, 5 }), tensor(new[] { 1f, 2, 4 })], batch);
        AreClose([3, 0, 0, 5, 1, 0, 0, 4], Record(guidance));

        guidance.Observe([tensor(new[] { 6f }), tensor(new[] { 3f })], Batches.Of((0, 0, [(1, 1)])));
        AreClose([(0.9 * 3) + (0.1 * 6), 0, 0, 5, (0.9 * 1) + (0.1 * 3), 0, 0, 4], Record(guidance));
    }

    [NoTensorLeak]
    public void Trust_FollowsWhoAnswersTheRelationBetter()
    {
        using var scope = NewDisposeScope();
        manual_seed(7);
        var guidance = new MutualGuidance(Plain with { RelationAware = true }, 2, Relations);
        var (seen, other) = (Batches.Of((0, 1, [(1, 1)])), Batches.Of((0, 2, [(1, 1)])));
        var outputs = Outputs(seen, 2, 2);
        // What one teacher says to one query is divergence times trust.
        double Trust(int student, QueryBatch batch) =>
            guidance.Guide(outputs, batch, 1).Losses[student].item<float>() * 0.5 / Loss(Plain, student == 0 ? outputs : [outputs[1], outputs[0]], batch);

        Assert.AreEqual(0.5, Trust(0, seen), 1e-5, "nothing is known yet");
        guidance.Observe([tensor(new[] { 4f }), tensor(new[] { 1f })], seen);
        Assert.AreEqual(1 / (1 + Math.Exp(-3)), Trust(0, seen), 1e-5, "the second answers better and teaches the first");
        Assert.AreEqual(1 / (1 + Math.Exp(3)), Trust(1, seen), 1e-5, "the first hardly teaches the second");
        Assert.AreEqual(0.5, Trust(0, other), 1e-5, "another relation");
        Assert.AreEqual((0.25 / (1 + Math.Exp(-3))) + (0.75 * 0.5), guidance.MeanTrust(tensor(new[] { 0f, 1, 3, 0 }))[1, 0].item<float>(), 1e-5, "by the relations' weights");
    }

    [NoTensorLeak]
    public void TheRecord_IsPartOfTheState()
    {
        using var scope = NewDisposeScope();
        var guidance = new MutualGuidance(new GuidanceConfig(), 2, Relations);
        CollectionAssert.AreEqual(new[] { "losses" }, guidance.state_dict().Keys.ToArray());
    }

    private static double[] Softened(double[] logits, double temperature) => LogSoftmax([.. logits.Select(x => x / temperature)]);

    private static double Kl(double[] teacher, double[] student, double temperature) =>
        Softened(teacher, temperature).Zip(Softened(student, temperature), (p, q) => Math.Exp(p) * (p - q)).Sum();

    private static double Lumped(double[] teacher, double[] student, double temperature, int k)
    {
        var (p, q) = (Softened(teacher, temperature), Softened(student, temperature));
        var best = Enumerable.Range(0, p.Length).OrderByDescending(i => p[i]).Take(k).ToArray();
        double Rest(double[] logs) => Math.Max(1e-6, 1 - best.Sum(i => Math.Exp(logs[i])));
        return best.Sum(i => Math.Exp(p[i]) * (p[i] - q[i])) + (Rest(p) * (Math.Log(Rest(p)) - Math.Log(Rest(q))));
    }

    private static Tensor Record(MutualGuidance guidance) => guidance.state_dict()["losses"];

    private static double Loss(GuidanceConfig config, BranchOutput[] outputs, QueryBatch batch)
    {
        using var guidance = new MutualGuidance(config, outputs.Length, Relations);
        return guidance.Guide(outputs, batch, 1).Losses[0].item<float>();
    }

    private static BranchOutput[] Outputs(QueryBatch batch, int branches, double scale) =>
        [.. Enumerable.Range(0, branches).Select(_ => new BranchOutput(
            batch.Heads, zeros(batch.Count, 1), zeros(batch.Count, 1), randn(batch.Count, Entities).mul_(scale), ones(batch.Count)))];
}
