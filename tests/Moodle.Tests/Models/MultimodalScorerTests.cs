using Moodle.Configuration;
using Moodle.Models;
using Moodle.Tests.Support;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Models;

[TestClass]
public sealed class MultimodalScorerTests
{
    private static readonly long[] Heads = [0, 1, 4, 5, 6];
    private static readonly long[] RelationIds = [0, 3, 1, 2, 2];

    private static MultimodalModel? _kept;

    // Made before the tests, so that its tensors are not among those that a test leaves.
    [ClassInitialize]
    public static void CreateModel(TestContext _) => _kept = SmallModel.Create(SmallModel.Config);

    [TestMethod]
    [DataRow(true, false, false, "fusion structure text image", "structure text image interaction")]
    [DataRow(true, true, false, "mean structure text image", "structure text image")]
    [DataRow(false, false, false, "structure text image", "structure")]
    [DataRow(true, false, true, "fusion structure text image paths", "structure text image paths interaction")]
    [DataRow(true, true, true, "mean structure text image paths", "structure text image paths")]
    public void TheExplanation_AddsUpToTheFirstScore(bool fusion, bool untrained, bool paths, string branches, string parts)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var config = paths ? SmallModel.WithPaths : SmallModel.Config;
        var model = SmallModel.Create(config with { Fusion = config.Fusion with { Enabled = fusion } });
        Scramble(model, 0.6);
        using var scorer = new MultimodalScorer(model, untrained);
        Assert.AreEqual(branches, string.Join(' ', scorer.Branches));

        var scores = scorer.Score(tensor(Heads), tensor(RelationIds));
        var explanation = scorer.Explain(tensor(Heads), tensor(RelationIds));
        Assert.HasCount(scorer.Branches.Count, scores);
        Assert.IsTrue(scores.All(score => score.shape.SequenceEqual([Heads.Length, SmallModel.Entities])));
        Assert.AreEqual(parts, string.Join(' ', explanation.Select(part => part.Part)));
        AreClose(Flat(scores[0]), explanation.Select(part => part.Scores).Aggregate((a, b) => a + b));
    }

    [TestMethod]
    public void PathsBesideAnUntrainedFusion_AreAskedOnlyByWhoAsksForThem()
    {
        using var scope = NewDisposeScope();
        using var model = SmallModel.Create(SmallModel.WithPaths);
        using var without = new MultimodalScorer(model, untrainedFusion: true, paths: false);
        Assert.AreEqual("mean structure text image", string.Join(' ', without.Branches));
        using var two = SmallModel.Create(SmallModel.WithPaths with { Modalities = [Modality.Structure] });
        using var one = new MultimodalScorer(two, untrainedFusion: true, paths: false);
        Assert.AreEqual("structure", string.Join(' ', one.Branches));
        Assert.HasCount(1, one.Score(tensor(Heads), tensor(RelationIds)));
        using var fused = new MultimodalScorer(model, untrainedFusion: false, paths: false);
        Assert.AreEqual("fusion structure text image paths", string.Join(' ', fused.Branches)); // the fusion has learned with them
    }

    [TestMethod]
    public void StructureAndPaths_AreFused()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = SmallModel.Create(SmallModel.WithPaths with { Modalities = [Modality.Structure] });
        using var scorer = new MultimodalScorer(model);
        Assert.AreEqual("fusion structure paths", string.Join(' ', scorer.Branches));
        var scores = scorer.Score(tensor(Heads), tensor(RelationIds));
        AreClose(Flat(model.Paths!.Forward(model.Facts!, tensor(Heads), tensor(RelationIds), null)), scores[2]);
    }

    [TestMethod]
    public void OneBranch_ExplainsItself()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var model = SmallModel.Create(SmallModel.Config with { Modalities = [Modality.Text] });
        using var scorer = new MultimodalScorer(model, untrainedFusion: true);
        Assert.AreEqual("text", scorer.Branches.Single());
        Assert.IsNull(model.Guidance);
        AreClose(Flat(scorer.Score(tensor(Heads), tensor(RelationIds)).Single()), scorer.Explain(tensor(Heads), tensor(RelationIds)).Single().Scores);
    }

    [TestMethod]
    public void Scores_AreTheModels()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var model = SmallModel.Create(SmallModel.Config);
        using var scorer = new MultimodalScorer(model);
        var scores = scorer.Score(tensor(Heads), tensor(RelationIds));
        var candidates = model.Branches.Select(branch => branch.Candidates()).ToArray();
        var outputs = model.Branches.Select((branch, m) => branch.Forward(candidates[m], tensor(Heads), tensor(RelationIds))).ToArray();
        var fused = model.FusionModule!.Candidates([.. candidates.Select(Fusion.Directions)], [.. model.Branches.Select(branch => branch.Available)]);
        AreClose(Flat(model.FusionModule.Forward(outputs, fused, tensor(RelationIds)).Logits()), scores[0]);
        for (var m = 0; m < outputs.Length; m++)
        {
            AreClose(Flat(outputs[m].Logits), scores[m + 1]);
        }
    }

    [TestMethod]
    public void TheMean_IsOverTheBranchesThatKnowTheEntity()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var scorer = new MultimodalScorer(SmallModel.Create(SmallModel.Config), untrainedFusion: true);
        var scores = scorer.Score(tensor(new long[] { 0, 4, 1 }), tensor(new long[] { 1, 1, 1 })).Select(Rows).ToArray();
        // All; the structure alone; structure and image.
        int[][] known = [[1, 2, 3], [1], [1, 3]];
        for (var q = 0; q < 3; q++)
        {
            for (var e = 0; e < SmallModel.Entities; e++)
            {
                Assert.AreEqual(known[q].Average(m => scores[m][q][e]), scores[0][q][e], 1e-4);
            }
        }
    }

    [TestMethod]
    public void ItKeepsWhatItTook_WhenTheModelTrainsOn()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var model = SmallModel.Create(SmallModel.Config with { Modalities = [Modality.Image], Image = SmallModel.Config.Image with { Dropout = 0.5 } });
        using var scorer = new MultimodalScorer(model);
        var before = Flat(scorer.Score(tensor(Heads), tensor(RelationIds))[0]);
        AreClose(before, new MultimodalScorer(model).Score(tensor(Heads), tensor(RelationIds))[0], 0, "no dropout");

        Parameter(model, "branches.image.entities.answers").add_(5);
        AreClose(before, scorer.Score(tensor(Heads), tensor(RelationIds))[0], 0, "candidates are its own");
    }

    [NoTensorLeak]
    [DataRow(false)]
    [DataRow(true)]
    public void ItLeavesOnlyItsResults(bool untrained)
    {
        using var _ = no_grad();
        using (var scorer = new MultimodalScorer(_kept!, untrained))
        {
            using var heads = tensor(Heads);
            using var relations = tensor(RelationIds);
            foreach (var tensor in scorer.Score(heads, relations).Concat(scorer.Explain(heads, relations).Select(part => part.Scores)))
            {
                tensor.Dispose();
            }
        }
    }
}
