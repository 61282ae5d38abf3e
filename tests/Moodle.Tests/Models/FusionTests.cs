using Moodle.Configuration;
using Moodle.Models;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Models;

[TestClass]
public sealed class FusionTests
{
    private const int Entities = 9;
    private const int Relations = 3;
    private static readonly int[] Sizes = [8, 4, 6];
    private static readonly FusionConfig Config = new() { HiddenSize = 10, InteractionRank = 5, ModalityDropout = 0, Dropout = 0 };

    // Queries that know all three modalities, the first and the last, and the second alone.
    private static readonly float[][] Available = [[1, 1, 0], [1, 0, 1], [1, 1, 0]];
    private static readonly long[] RelationIds = [0, 5, 2];

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void ItStarts_AsTheMeanOfTheAvailableBranchesWithASmallFusedScore(bool relationAware)
    {
        using var scope = NewDisposeScope();
        var (output, outputs) = Forward(Create(Config with { RelationAware = relationAware }));
        AreClose([1 / 3.0, 1 / 3.0, 1 / 3.0, 0.5, 0, 0.5, 0, 1, 0], output.Gate);

        var parts = output.Parts.Aggregate((a, b) => a + b);
        var logits = outputs.Select(branch => Rows(branch.Logits)).ToArray();
        var mean = Enumerable.Range(0, 3).SelectMany(q => Enumerable.Range(0, Entities).Select(e =>
            Enumerable.Range(0, 3).Where(m => Has(q, m)).Average(m => logits[m][q][e])));
        AreClose([.. mean], parts);
        Assert.IsLessThanOrEqualTo(1.001, output.Fused.abs().max().item<float>(), "beside logits that differ by tens");
    }

    [TestMethod]
    [DataRow(true, 5)]
    [DataRow(false, 0)]
    public void WhateverIsLearned_PartsAddUpAndAbsentModalitiesTakeNoPart(bool relationAware, int rank)
    {
        using var scope = NewDisposeScope();
        for (var seed = 0; seed < 10; seed++)
        {
            manual_seed(seed);
            var fusion = Create(Config with { RelationAware = relationAware, InteractionRank = rank });
            Scramble(fusion, 0.7);
            var (output, _) = Forward(fusion);
            AreClose(Flat(output.Parts.Aggregate(output.Fused, (a, b) => a + b)), output.Logits());
            AreClose([1, 1, 1], output.Gate.sum(1));
            Assert.IsTrue(output.Gate.ge(0).all().item<bool>());
            AreClose([1, 1, 1], output.Queries.norm(1));
            for (var m = 0; m < 3; m++)
            {
                for (var q = 0; q < 3; q++)
                {
                    var strongest = output.Parts[m][q].abs().max().item<float>();
                    Assert.AreEqual(Has(q, m), output.Gate[q, m].item<float>() != 0, $"seed {seed}, gate of query {q}, modality {m}");
                    Assert.AreEqual(Has(q, m), strongest != 0, $"seed {seed}, part of query {q}, modality {m}");
                }
            }
        }
    }

    [TestMethod]
    public void WhatAnAbsentModalitySays_ChangesNothing()
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var fusion = Create(Config);
        Scramble(fusion, 0.7);
        var (before, outputs) = Forward(fusion);
        // The second modality of query 1 and the third of query 2 are absent: other vectors and other logits there.
        var noise = outputs.Select((output, m) =>
        {
            var absent = (1 - output.Available).unsqueeze(1);
            return output with { Queries = output.Queries + (absent * 3), Logits = output.Logits - (absent * output.Logits * 5) };
        }).ToArray();
        manual_seed(1);
        var after = fusion.Forward(noise, FusedCandidates(fusion), tensor(RelationIds));
        AreClose(Flat(before.Logits()), after.Logits());
    }

    [TestMethod]
    public void Candidates_HaveLengthOne_AndDoNotDependOnWhatTheyLack()
    {
        using var scope = NewDisposeScope();
        manual_seed(2);
        var fusion = Create(Config);
        Scramble(fusion, 0.7);
        var vectors = Sizes.Select(size => randn(Entities, size)).ToArray();
        Tensor[] available = [ones(Entities), arange(Entities).remainder(2).to(ScalarType.Float32), arange(Entities).remainder(3).eq(0).to(ScalarType.Float32)];
        var candidates = fusion.Candidates([.. vectors.Select(Fusion.Directions)], available);
        CollectionAssert.AreEqual(new long[] { Entities, Config.HiddenSize }, candidates.shape);
        AreClose([.. Enumerable.Repeat(1.0, Entities)], candidates.norm(1));

        var others = vectors.Zip(available, (x, has) => x + ((1 - has).unsqueeze(1) * 5)).ToArray();
        AreClose(Flat(candidates), fusion.Candidates([.. others.Select(Fusion.Directions)], available));
    }

    [TestMethod]
    public void Projections_HaveLengthOne_AndIgnoreTheScaleOfABranch()
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        var fusion = Create(Config);
        var vectors = randn(5, Sizes[1]);
        var projected = fusion.Project(1, Fusion.Directions(vectors));
        AreClose([1, 1, 1, 1, 1], projected.norm(1));
        AreClose(Flat(projected), fusion.Project(1, Fusion.Directions(vectors * 1000)), 1e-4);
    }

    [TestMethod]
    public void ModalityDropout_IsForTraining_AndNeverHidesTheLastModality()
    {
        using var scope = NewDisposeScope();
        manual_seed(4);
        var fusion = Create(Config with { ModalityDropout = 0.9 });
        var hidden = 0;
        for (var i = 0; i < 30; i++)
        {
            var (output, _) = Forward(fusion);
            var gate = Rows(output.Gate);
            hidden += gate[0].Count(share => share == 0);
            Assert.AreEqual(0.0, gate[1][1]);
            CollectionAssert.AreEqual(new[] { 0.0, 1, 0 }, gate[2], "the only modality of the query");
            Assert.IsTrue(gate.All(row => Math.Abs(row.Sum() - 1) < 1e-5));
        }

        Assert.IsGreaterThan(0, hidden);
        fusion.eval();
        AreClose([1 / 3.0, 1 / 3.0, 1 / 3.0], Forward(fusion).Output.Gate[0]);
    }

    [TestMethod]
    public void EveryParameterLearns()
    {
        using var scope = NewDisposeScope();
        manual_seed(5);
        var fusion = Create(Config);
        Scramble(fusion, 0.5);
        Forward(fusion).Output.Logits().square().sum().backward();
        foreach (var (name, parameter) in fusion.named_parameters())
        {
            Assert.IsTrue(parameter.grad is { } gradient && gradient.isfinite().all().item<bool>() && gradient.abs().sum().item<float>() > 0, name);
        }
    }

    [TestMethod]
    [DataRow(0.0, 5)]
    [DataRow(0.1, 0)]
    public void AStepsGradients_AreThoseOfTheRecordedLoss(double smoothing, int rank)
    {
        using var scope = NewDisposeScope();
        manual_seed(7);
        var fusion = Create(Config with { InteractionRank = rank });
        Scramble(fusion, 0.3);
        var (outputs, batch) = (Outputs(), Batch());
        var noise = randn(3, Config.HiddenSize); // what a contrast adds to the queries' gradient
        var candidates = FusedCandidates(fusion);
        var (recorded, scale, loops) = (fusion.Forward(outputs, candidates, batch.Relations), Parameter(fusion, "scale"), Parameter(fusion, "loops.relations"));
        var own = (recorded.Queries.matmul(candidates.t()) * scale * 100).scatter_add(1, batch.Heads.unsqueeze(1), loops.index_select(0, batch.Relations).unsqueeze(1));
        var losses = RecordedLoss.PerQuery(own, batch, smoothing);
        ((losses.sum() * 0.3) + (recorded.Queries * noise).sum()).backward();
        var expected = Gradients(fusion);
        fusion.zero_grad(set_to_none: true);

        candidates = FusedCandidates(fusion);
        var (queries, step) = fusion.Train(FusionInput.Of(outputs), candidates, batch, smoothing);
        AreClose(Flat(losses), step.Losses, 1e-5);
        AreClose(Flat(own), step.Output.Logits, 1e-5);
        var roots = step.Roots(tensor(0.3f * (float)batch.TotalWeight), null);
        autograd.backward([.. roots.Select(root => root.Root), (queries * noise).sum()], [.. roots.Select(root => root.Gradient), ones([])]);
        Equal(expected, Gradients(fusion), balance: false);
    }

    [TestMethod]
    [DataRow(true, 5, 0)]
    [DataRow(false, 0, 0)]
    [DataRow(true, 5, 1)]
    public void TheBalancesGradients_AreThoseOfTheRecordedLoss(bool relationAware, int rank, int others)
    {
        using var scope = NewDisposeScope();
        manual_seed(8);
        var fusion = Create(Config with { RelationAware = relationAware, InteractionRank = rank }, others);
        Scramble(fusion, 0.3);
        var (outputs, batch) = (Outputs(), Batch());
        var beside = Beside(others);
        var candidates = FusedCandidates(fusion).detach();
        var excluded = zeros(3, Entities, dtype: ScalarType.Bool);
        (excluded[0, 3], excluded[2, 1], excluded[2, 8]) = (tensor(true), tensor(true), tensor(true));
        var losses = RecordedLoss.PerQuery(fusion.Forward(outputs, candidates, batch.Relations, beside).Logits().masked_fill(excluded, -1e4), batch, 0);
        (losses.sum() / batch.TotalWeight).backward();
        var expected = Gradients(fusion);
        fusion.zero_grad(set_to_none: true);

        var step = fusion.Weigh(outputs, beside, Fusion.Signals(outputs.Select(output => output.Logits).Concat(beside)), candidates, batch, excluded);
        AreClose(Flat(losses), step.Losses, 1e-5);
        var roots = step.Roots();
        autograd.backward([.. roots.Select(root => root.Root)], [.. roots.Select(root => root.Gradient)]);
        Equal(expected, Gradients(fusion), balance: true);
    }

    [TestMethod]
    public void APredictorBesideTheBranches_IsWeighedLikeThem_AndNotHeardByTheFusedVectors()
    {
        using var scope = NewDisposeScope();
        manual_seed(9);
        var fusion = Create(Config, others: 1);
        Scramble(fusion, 0.3);
        var (outputs, beside, candidates) = (Outputs(), Beside(1), FusedCandidates(fusion));
        var output = fusion.Forward(outputs, candidates, tensor(RelationIds), beside);
        CollectionAssert.AreEqual(new long[] { 3, Sizes.Length + 1 }, output.Gate.shape);
        AreClose([1, 1, 1], output.Gate.sum([1]), 1e-6);
        Assert.HasCount(Sizes.Length + 1, output.Parts);
        // Nothing but a positive weight for each query.
        var weights = output.Parts[^1] / beside[0];
        Assert.IsTrue(weights.gt(0).all().item<bool>());
        AreClose(Flat(weights.narrow(1, 0, 1).expand(-1, Entities)), weights, 1e-4);

        // However much it is trusted, the fused vectors stay what they are.
        using (no_grad())
        {
            Parameter(fusion, "gate_out.bias")[Sizes.Length] += 3;
        }

        var trusted = fusion.Forward(outputs, candidates, tensor(RelationIds), beside);
        Assert.IsTrue(trusted.Gate.select(1, Sizes.Length).gt(output.Gate.select(1, Sizes.Length)).all().item<bool>());
        AreClose(Flat(output.Queries), trusted.Queries, 1e-5);

        // They learn as if it were not there.
        var (queries, _) = fusion.Train(FusionInput.Of(outputs), candidates, Batch(), 0);
        Assert.AreEqual(1, queries.square().sum([1]).sqrt().mean().item<float>(), 1e-5);
    }

    // Logits of predictors that have no vectors.
    private static Tensor[] Beside(int others) => [.. Enumerable.Range(0, others).Select(_ => randn(3, Entities).mul_(5))];

    private static QueryBatch Batch() => Batches.Of((0, 0, [(2, 1), (4, 2)]), (1, 5, [(1, 1)]), (2, 2, [(0, 1), (2, 1), (7, 1)]));

    private static Dictionary<string, double[]> Gradients(Fusion fusion) =>
        fusion.named_parameters().Where(entry => entry.parameter.grad is not null).ToDictionary(entry => entry.name, entry => Flat(entry.parameter.grad!));

    // What is not to learn has no gradient at all.
    private static void Equal(Dictionary<string, double[]> expected, Dictionary<string, double[]> found, bool balance)
    {
        CollectionAssert.AreEquivalent(expected.Keys.Where(name => Fusion.IsBalance(name) == balance).ToArray(), found.Keys);
        foreach (var (name, gradient) in found)
        {
            Assert.IsTrue(gradient.Any(number => number != 0), name);
            AreClose(expected[name], tensor(gradient), 1e-4, name);
        }
    }

    private static Fusion Create(FusionConfig config, int others = 0)
    {
        manual_seed(6);
        return new Fusion(config, Sizes, Relations, others);
    }

    private static bool Has(int query, int modality) => Available[modality][query] == 1;

    private static (FusionOutput Output, BranchOutput[] Outputs) Forward(Fusion fusion)
    {
        var outputs = Outputs();
        return (fusion.Forward(outputs, FusedCandidates(fusion), tensor(RelationIds)), outputs);
    }

    // Scales as different as those of real branches.
    private static BranchOutput[] Outputs() => [.. Sizes.Select((size, m) => new BranchOutput(
        arange(3), zeros(3, size), randn(3, size).mul_(Math.Pow(10, m)), randn(3, Entities).mul_(10), tensor(Available[m])))];

    private static Tensor FusedCandidates(Fusion fusion)
    {
        using var generator = new Generator(9);
        return fusion.Candidates([.. Sizes.Select(size => Fusion.Directions(randn(Entities, size, generator: generator)))], [.. Sizes.Select(_ => ones(Entities))]);
    }
}
