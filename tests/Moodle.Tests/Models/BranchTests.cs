using Moodle.Configuration;
using Moodle.Models;
using Moodle.Tests.Support;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Models;

[TestClass]
public sealed class BranchTests
{
    private const int Entities = 6;
    private const int Rank = 4;

    [NoTensorLeak]
    public void N3_CountsEveryTriplesFactorsOnce()
    {
        using var scope = NewDisposeScope();
        var branch = Create(new BranchConfig { Rank = Rank, Scorer = ScorerKind.DistMult, N3 = 0.3, InitScale = 0.7 });
        var batch = Batches.Of((0, 1, [(2, 1), (3, 2)]), (5, 3, [(2, 1)]));
        var candidates = branch.Candidates();
        var (entities, relations) = (Rows(candidates), Rows(Parameter(branch, "scorer.relations")));
        (int, int, int)[] triples = [(0, 1, 2), (0, 1, 3), (0, 1, 3), (5, 3, 2)];
        var expected = 0.3 * triples.Average(triple => Cubed(entities[triple.Item1]) + Cubed(relations[triple.Item2]) + Cubed(entities[triple.Item3]));
        AreClose([expected], branch.Train(candidates, batch, 0).Norm!);

        static double Cubed(double[] x) => x.Sum(number => Math.Pow(Math.Abs(number), 3));
    }

    [NoTensorLeak]
    public void RelationPrediction_IsTheMeanCrossEntropyOfTheTriplesRelations()
    {
        using var scope = NewDisposeScope();
        var branch = Create(new BranchConfig { Rank = Rank, Scorer = ScorerKind.DistMult, RelationWeight = 0.3, InitScale = 0.7 });
        var batch = Batches.Of((0, 1, [(2, 1), (3, 2)]), (5, 3, [(2, 1)]));
        var candidates = branch.Candidates();
        var (entities, relations) = (Rows(candidates), Rows(Parameter(branch, "scorer.relations")));
        (int, int, int)[] triples = [(0, 1, 2), (0, 1, 3), (0, 1, 3), (5, 3, 2)];
        var expected = 0.3 * triples.Average(triple =>
        {
            var scores = relations.Select(relation => relation.Select((x, i) => x * entities[triple.Item1][i] * entities[triple.Item3][i]).Sum()).ToArray();
            return Math.Log(scores.Sum(Math.Exp)) - scores[triple.Item2];
        });
        AreClose([expected], branch.Train(candidates, batch, 0).Relations!);
    }

    [NoTensorLeak]
    [DataRow(ScorerKind.Complex, 0.0)]
    [DataRow(ScorerKind.TuckER, 0.1)]
    public void WithoutRelationPrediction_ThereIsNoTerm(ScorerKind kind, double weight)
    {
        using var scope = NewDisposeScope();
        var branch = Create(new BranchConfig { Rank = Rank, Scorer = kind, RelationWeight = weight });
        var (batch, candidates) = (Batches.Of((0, 1, [(2, 1)])), branch.Candidates());
        Assert.IsNull(branch.Train(candidates, batch, 0).Relations);
    }

    [NoTensorLeak]
    [DataRow(ScorerKind.Complex, 0.0)]
    [DataRow(ScorerKind.RotatE, 0.1)]
    public void WithoutN3_ThereIsNoTerm(ScorerKind kind, double n3)
    {
        using var scope = NewDisposeScope();
        var branch = Create(new BranchConfig { Rank = Rank, Scorer = kind, N3 = n3 });
        var (batch, candidates) = (Batches.Of((0, 1, [(2, 1)])), branch.Candidates());
        Assert.IsNull(branch.Train(candidates, batch, 0).Norm);
    }

    [NoTensorLeak]
    [DataRow(ScorerKind.Complex, 0.0)]
    [DataRow(ScorerKind.Complex, 0.2)]
    [DataRow(ScorerKind.TuckER, 0.1)]
    [DataRow(ScorerKind.RotatE, 0.1)]
    [DataRow(ScorerKind.RotatE, 0.0)]
    public void AStepsGradients_AreThoseOfTheRecordedLoss(ScorerKind kind, double smoothing)
    {
        using var scope = NewDisposeScope();
        manual_seed(4);
        var branch = Create(new BranchConfig { Rank = Rank, Scorer = kind, InitScale = 0.7, N3 = 0 });
        var batch = Batches.Of((0, 1, [(2, 1), (3, 2)]), (5, 3, [(2, 1), (5, 1)]));
        var others = randn(2, Entities); // what a guide adds to the logits' gradient
        var candidates = branch.Candidates();
        var output = branch.Forward(candidates, batch.Heads, batch.Relations);
        var losses = RecordedLoss.PerQuery(output.Logits, batch, smoothing);
        ((losses.sum() * 0.3) + (output.Logits * others).sum()).backward();
        var expected = branch.named_parameters().ToDictionary(entry => entry.name, entry => Flat(entry.parameter.grad!));
        branch.zero_grad();

        candidates = branch.Candidates();
        var step = branch.Train(candidates, batch, smoothing);
        AreClose(Flat(losses), step.Losses, 1e-5);
        AreClose(Flat(output.Logits), step.Output.Logits, 1e-5);
        var roots = step.Roots(tensor(0.3f * (float)batch.TotalWeight), others);
        autograd.backward([.. roots.Select(root => root.Root)], [.. roots.Select(root => root.Gradient)]);
        foreach (var (name, parameter) in branch.named_parameters())
        {
            AreClose(expected[name], parameter.grad!, 1e-4, name);
        }
    }

    [NoTensorLeak]
    public void Dropout_IsForTrainingOnly()
    {
        using var scope = NewDisposeScope();
        var branch = Create(new BranchConfig { Rank = 50, Dropout = 0.5, InitScale = 1 });
        var (heads, relations) = (arange(Entities), zeros(Entities, dtype: ScalarType.Int64));
        Assert.Contains(0.0, Flat(branch.Forward(branch.Candidates(), heads, relations).Queries));
        branch.eval();
        Assert.DoesNotContain(0.0, Flat(branch.Forward(branch.Candidates(), heads, relations).Queries));
    }

    [TestMethod]
    public void Outputs_TellWhichHeadsHaveTheModality()
    {
        using var scope = NewDisposeScope();
        var model = SmallModel.Create(SmallModel.Config);
        var heads = arange(SmallModel.Entities);
        var has = model.Branches.Select(branch => branch.Forward(branch.Candidates(), heads, zeros_like(heads)).Available).ToArray();
        AreClose([1, 1, 1, 1, 1, 1, 1], has[0]);
        AreClose([1, 0, 1, 1, 0, 1, 1], has[1]);
        AreClose([1, 1, 1, 1, 0, 0, 1], has[2]);
    }

    private static Branch Create(BranchConfig config)
    {
        manual_seed(2);
        return new Branch(Modality.Structure, config, Entities, 2, null);
    }
}
