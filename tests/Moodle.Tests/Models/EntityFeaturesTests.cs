using Moodle.Configuration;
using Moodle.Models;
using Moodle.Models.Scorers;
using Moodle.Tests.Support;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Models;

/// <summary>Features and the table of vectors that a branch makes of them.</summary>
[TestClass]
public sealed class EntityFeaturesTests
{
    private const int Entities = 6;
    private const int Size = 4;
    private static readonly int[] Present = [4, 0, 3];

    [NoTensorLeak]
    public void Rows_LeadToTheFeatures_AndPastThemForEntitiesWithout()
    {
        using var scope = NewDisposeScope();
        var features = new EntityFeatures(zeros(3, Size), Present, Entities);
        AreClose([1, 3, 4, 2, 0, 5], features.Rows);
        AreClose([1, 0, 0, 1, 1, 0], features.Available);
        Assert.AreEqual((Entities, 3, Size), (features.EntityCount, features.Present, features.Size));
    }

    [NoTensorLeak]
    [DataRow(new[] { 0, 1, 0 }, "entity 0 of row 2")]
    [DataRow(new[] { 0, 1, 6 }, "entity 6 of row 2")]
    [DataRow(new[] { 0, -1, 2 }, "entity -1 of row 1")]
    [DataRow(new[] { 0, 1 }, "shape [3, 4], expected [2, size]")]
    public void WrongEntities_AreRefused(int[] entities, string problem)
    {
        using var scope = NewDisposeScope();
        Assert.Contains(problem, Assert.ThrowsExactly<ArgumentException>(() => new EntityFeatures(zeros(3, Size), entities, Entities)).Message);
    }

    [TestMethod]
    public void Candidates_AreProjectedFeatures_OrVectorsOfTheirOwn()
    {
        using var scope = NewDisposeScope();
        var (table, features) = Create(Present);
        var (weight, bias) = (Rows(Parameter(table, "head.weight")), Flat(Parameter(table, "head.bias")));
        var (gain, shift) = (Flat(Parameter(table, "norm.weight")), Flat(Parameter(table, "norm.bias")));
        var (candidates, answers) = (Rows(table.Candidates()), Rows(Parameter(table, "answers")));
        for (var row = 0; row < Present.Length; row++)
        {
            var x = Rows(features.Values)[row];
            var (mean, deviation) = (x.Average(), Math.Sqrt(x.Average(number => Math.Pow(number - x.Average(), 2)) + 1e-5));
            var normed = x.Select((number, i) => ((number - mean) / deviation * gain[i]) + shift[i]).ToArray();
            var expected = weight.Select((w, i) => Dot(w, normed) + bias[i]).ToArray();
            for (var i = 0; i < expected.Length; i++)
            {
                Assert.AreEqual(expected[i], candidates[Present[row]][i], 1e-5);
            }
        }

        CollectionAssert.AreEqual(answers, new[] { candidates[1], candidates[2], candidates[5] }, StructuralComparer);
    }

    [TestMethod]
    public void Heads_ThatLackTheModality_AskWithOneSharedVector()
    {
        using var scope = NewDisposeScope();
        var (table, _) = Create(Present);
        var candidates = table.Candidates();
        var heads = Rows(Heads(table, candidates, tensor(new long[] { 0, 1, 4, 5, 0 })));
        var (all, missing) = (Rows(candidates), Flat(Parameter(table, "missing")));
        CollectionAssert.AreEqual(new[] { all[0], missing, all[4], missing, all[0] }, heads, StructuralComparer);
    }

    [TestMethod]
    public void WithAllFeatures_NothingStandsInForThem()
    {
        using var scope = NewDisposeScope();
        var (table, _) = Create([5, 4, 3, 2, 1, 0]);
        CollectionAssert.AreEquivalent(new[] { "head.weight", "head.bias", "norm.weight", "norm.bias" }, table.named_parameters().Select(entry => entry.name).ToArray());
        var candidates = table.Candidates();
        AreClose(Flat(candidates), Heads(table, candidates, arange(Entities)), 0);
    }

    [TestMethod]
    public void Features_AreNeitherTrainedNorPartOfACheckpoint()
    {
        using var scope = NewDisposeScope();
        var (table, features) = Create(Present);
        Assert.IsFalse(table.state_dict().Keys.Any(name => name is "features" or "rows" or "available"));
        Heads(table, table.Candidates(), arange(Entities)).sum().backward();
        Assert.IsFalse(features.Values.requires_grad);
        Assert.IsTrue(table.parameters().All(parameter => parameter.grad is not null));
    }

    private static readonly System.Collections.IComparer StructuralComparer = Comparer<double[]>.Create((a, b) => a.SequenceEqual(b) ? 0 : 1);

    private static Tensor Heads(FeatureEntityTable table, Tensor candidates, Tensor entities) => table.AsHeads(candidates.index_select(0, entities), entities);

    private static (FeatureEntityTable Table, EntityFeatures Features) Create(int[] present)
    {
        manual_seed(3);
        var features = new EntityFeatures(randn(present.Length, Size), present, Entities);
        var table = new FeatureEntityTable(Scorer.Create(new BranchConfig { Rank = 3 }, 2), features, 0.5);
        Scramble(table, 0.5);
        return (table, features);
    }
}
