using Moodle.Configuration;
using Moodle.Models.Scorers;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Tests.Models;

[TestClass]
public sealed class ModelLayoutTests
{
    [TestMethod]
    public void TheModelsTensors_AreThoseApproved()
    {
        using var scope = NewDisposeScope();
        var config = SmallModel.Config with { Training = new TrainingConfig { TaskWeights = TaskWeighting.Uncertainty } };
        var sections = Enum.GetValues<ScorerKind>()
            .Select(kind => Layout.Of($"scorer {kind}, rank 3, 2 relations", Scorer.Create(new BranchConfig { Scorer = kind, Rank = 3 }, 2)))
            .Prepend(Layout.Of("structure alone", SmallModel.Create(config with { Modalities = [Modality.Structure] })))
            .Prepend(Layout.Of("structure and paths", SmallModel.Create(SmallModel.WithPaths with { Modalities = [Modality.Structure] })))
            .Prepend(Layout.Of("structure, text and image", SmallModel.Create(config)));
        Layout.IsApproved(string.Join('\n', sections), "Model");
    }

    [TestMethod]
    public void EveryParameter_BelongsToOneStage()
    {
        using var scope = NewDisposeScope();
        var model = SmallModel.Create(SmallModel.WithPaths with { Training = new TrainingConfig { TaskWeights = TaskWeighting.Uncertainty } });
        static string[] Names(IEnumerable<(string Name, TorchSharp.Modules.Parameter)> parameters) => [.. parameters.Select(entry => entry.Name)];
        var (unimodal, vectors, balance) = (Names(model.UnimodalParameters()), Names(model.FusedVectorParameters()), Names(model.BalanceParameters()));
        string[] fusion = [.. vectors, .. balance], paths = Names(model.PathParameters());
        CollectionAssert.AreEquivalent(model.named_parameters().Select(entry => entry.name).ToArray(), unimodal.Concat(paths).Concat(fusion).ToArray());
        Assert.IsNotEmpty(paths);
        Assert.IsTrue(paths.All(name => name.StartsWith("paths.", StringComparison.Ordinal)));
        Assert.Contains("fusion.balance", balance);
        Assert.IsTrue(fusion.All(name => name.StartsWith("fusion.", StringComparison.Ordinal) || name.StartsWith("contrast.", StringComparison.Ordinal)));
        Assert.Contains("log_variances", unimodal);
    }

    [TestMethod]
    public void Parameters_StartFinite_AndFollowTheSeed()
    {
        using var scope = NewDisposeScope();
        var (first, again, other) = (SmallModel.Create(SmallModel.Config, 5), SmallModel.Create(SmallModel.Config, 5), SmallModel.Create(SmallModel.Config, 6));
        Assert.IsTrue(first.parameters().All(parameter => parameter.isfinite().all().item<bool>()));
        Assert.IsTrue(first.parameters().Zip(again.parameters()).All(pair => pair.First.equal(pair.Second).all().item<bool>()));
        Assert.IsFalse(first.parameters().Zip(other.parameters()).All(pair => pair.First.equal(pair.Second).all().item<bool>()));
    }

    [TestMethod]
    public void Branches_StandInTheirFixedOrder_WhateverTheConfigurationSays()
    {
        using var scope = NewDisposeScope();
        var model = SmallModel.Create(SmallModel.Config with { Modalities = [Modality.Image, Modality.Structure, Modality.Text] });
        CollectionAssert.AreEqual(new[] { Modality.Structure, Modality.Text, Modality.Image }, model.Branches.Select(branch => branch.Modality).ToArray());
    }

    // The way to a GPU, without one: a change of type takes the same path through every module.
    [TestMethod]
    public void EveryParameter_MovesWithTheModel()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var model = SmallModel.Create(SmallModel.Config with { Training = new TrainingConfig { TaskWeights = TaskWeighting.Uncertainty } });
        var names = model.named_parameters().Select(entry => entry.name).ToArray();
        model.to(ScalarType.Float64);
        CollectionAssert.AreEqual(names, model.named_parameters().Select(entry => entry.name).ToArray());
        Assert.IsTrue(model.parameters().All(parameter => parameter.dtype == ScalarType.Float64));
        Assert.AreEqual(ScalarType.Float64, model.LogVariances!.dtype);
    }
}
