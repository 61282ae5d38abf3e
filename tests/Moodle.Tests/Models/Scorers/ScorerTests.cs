using System.Numerics;
using Moodle.Configuration;
using Moodle.Models.Scorers;
using Moodle.Tests.Support;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Models.Scorers;

/// <summary>Against the published formulas, written out for one triple in float64.</summary>
[TestClass]
public sealed class ScorerTests
{
    private const int Rank = 6;
    private const int Relations = 3;
    private const int Entities = 7;

    [NoTensorLeak]
    [DataRow(ScorerKind.Complex)]
    [DataRow(ScorerKind.DistMult)]
    [DataRow(ScorerKind.RotatE)]
    [DataRow(ScorerKind.TuckER)]
    public void EveryTriple_ScoresAsPublished(ScorerKind kind)
    {
        using var scope = NewDisposeScope();
        var scorer = Create(kind);
        var entities = randn(Entities, scorer.EntitySize);
        var rows = Rows(entities);

        // Reciprocals as well: each has a row of its own, past the relations'.
        for (var relation = 0; relation < 2 * Relations; relation++)
        {
            var scores = scorer.Score(scorer.Query(entities, full(Entities, relation, dtype: ScalarType.Int64)), entities);
            CollectionAssert.AreEqual(new long[] { Entities, Entities }, scores.shape);
            AreClose([.. rows.SelectMany(head => rows.Select(tail => Published(kind, scorer, head, relation, tail)))], scores, 1e-4, $"relation {relation}");
        }
    }

    [NoTensorLeak]
    [DataRow(ScorerKind.Complex)]
    [DataRow(ScorerKind.DistMult)]
    public void EveryRelation_ScoresAPairAsPublished(ScorerKind kind)
    {
        using var scope = NewDisposeScope();
        var scorer = Create(kind);
        var (heads, tails) = (randn(Entities, scorer.EntitySize), randn(Entities, scorer.EntitySize));
        Assert.IsTrue(scorer.ScoresRelations);
        AreClose(
            [.. Rows(heads).Zip(Rows(tails)).SelectMany(pair => Enumerable.Range(0, 2 * Relations).Select(relation => Published(kind, scorer, pair.First, relation, pair.Second)))],
            scorer.ScoreRelations(heads, tails), 1e-4);
    }

    [NoTensorLeak]
    [DataRow(ScorerKind.Complex)]
    [DataRow(ScorerKind.DistMult)]
    [DataRow(ScorerKind.RotatE)]
    [DataRow(ScorerKind.TuckER)]
    public void ABatchOfQueries_IsItsQueriesOneByOne(ScorerKind kind)
    {
        using var scope = NewDisposeScope();
        var scorer = Create(kind);
        var entities = randn(Entities, scorer.EntitySize);
        long[] relations = [5, 0, 5, 2, 2, 1, 3];
        var batch = scorer.Score(scorer.Query(entities, tensor(relations)), entities);
        for (var i = 0; i < Entities; i++)
        {
            var single = scorer.Score(scorer.Query(entities.narrow(0, i, 1), tensor(relations[i..(i + 1)])), entities);
            AreClose(Flat(single), batch.narrow(0, i, 1), 1e-5, $"query {i}");
        }
    }

    [NoTensorLeak]
    [DataRow(ScorerKind.Complex)]
    [DataRow(ScorerKind.DistMult)]
    [DataRow(ScorerKind.RotatE)]
    [DataRow(ScorerKind.TuckER)]
    public void Gradients_AreFinite_EvenWhereEverythingIsZero(ScorerKind kind)
    {
        using var scope = NewDisposeScope();
        var scorer = Create(kind);
        var entities = zeros(Entities, scorer.EntitySize, requires_grad: true);
        var relations = zeros(Entities, dtype: ScalarType.Int64);
        var loss = scorer.Score(scorer.Query(entities, relations), entities).sum();
        if (scorer.EntityNorm(entities) is { } norm)
        {
            loss = loss + norm.sum() + scorer.RelationNorm(relations)!.sum();
        }

        loss.backward();
        Assert.IsTrue(entities.grad!.isfinite().all().item<bool>());
        Assert.IsTrue(scorer.parameters().All(parameter => parameter.grad is null || parameter.grad.isfinite().all().item<bool>()));
    }

    [NoTensorLeak]
    public void N3_OfComplEx_IsTheCubedModulus()
    {
        using var scope = NewDisposeScope();
        var scorer = Create(ScorerKind.Complex);
        var entities = randn(Entities, scorer.EntitySize);
        AreClose([.. Rows(entities).Select(CubedModuli)], scorer.EntityNorm(entities)!);

        var relations = Rows(Parameter(scorer, "relations"));
        AreClose([CubedModuli(relations[4]), CubedModuli(relations[1])], scorer.RelationNorm(tensor(new long[] { 4, 1 }))!);

        static double CubedModuli(double[] x) => Enumerable.Range(0, Rank).Sum(i => Math.Pow(Complex.Abs(At(x, i)), 3));
    }

    [NoTensorLeak]
    public void N3_OfDistMult_IsTheCubedAbsoluteValue()
    {
        using var scope = NewDisposeScope();
        var scorer = Create(ScorerKind.DistMult);
        var entities = randn(Entities, scorer.EntitySize);
        AreClose([.. Rows(entities).Select(Cubed)], scorer.EntityNorm(entities)!);
        AreClose([Cubed(Rows(Parameter(scorer, "relations"))[5])], scorer.RelationNorm(tensor(new long[] { 5 }))!);

        static double Cubed(double[] x) => x.Sum(number => Math.Pow(Math.Abs(number), 3));
    }

    [NoTensorLeak]
    [DataRow(ScorerKind.RotatE)]
    [DataRow(ScorerKind.TuckER)]
    public void OtherScorers_HaveNoN3(ScorerKind kind)
    {
        using var scope = NewDisposeScope();
        var scorer = Create(kind);
        Assert.IsNull(scorer.EntityNorm(zeros(1, scorer.EntitySize)));
        Assert.IsNull(scorer.RelationNorm(zeros(1, dtype: ScalarType.Int64)));
    }

    private static Scorer Create(ScorerKind kind)
    {
        manual_seed(11);
        return Scorer.Create(new BranchConfig { Scorer = kind, Rank = Rank, InitScale = 0.8 }, Relations);
    }

    private static Complex At(double[] x, int i) => new(x[i], x[i + Rank]);

    private static double Published(ScorerKind kind, Scorer scorer, double[] h, int relation, double[] t)
    {
        var i = Enumerable.Range(0, Rank);
        switch (kind)
        {
            case ScorerKind.Complex:
                var r = Rows(Parameter(scorer, "relations"))[relation];
                return i.Aggregate(Complex.Zero, (sum, k) => sum + (At(h, k) * At(r, k) * Complex.Conjugate(At(t, k)))).Real;

            case ScorerKind.DistMult:
                var d = Rows(Parameter(scorer, "relations"))[relation];
                return i.Sum(k => h[k] * d[k] * t[k]);

            case ScorerKind.RotatE:
                var phases = Rows(Parameter(scorer, "phases"))[relation];
                var squared = i.Sum(k => Math.Pow(Complex.Abs((At(h, k) * Complex.FromPolarCoordinates(1, phases[k])) - At(t, k)), 2));
                return Flat(Parameter(scorer, "margin"))[0] - Math.Sqrt(Math.Max(squared, 1e-6));

            default:
                var w = Rows(Parameter(scorer, "relations"))[relation];
                var core = Rows(Parameter(scorer, "core"));
                return i.Sum(a => i.Sum(b => i.Sum(c => core[a][(b * Rank) + c] * w[a] * h[b] * t[c])));
        }
    }
}
