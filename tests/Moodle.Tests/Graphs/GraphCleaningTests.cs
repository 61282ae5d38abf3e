using System.Collections.Immutable;
using Moodle.Graphs;
using Moodle.Tests.Support;

namespace Moodle.Tests.Graphs;

[TestClass]
public sealed class GraphCleaningTests
{
    [TestMethod]
    public void ValidationGivesWay_NeverTrainOrTest()
    {
        using var folder = new GraphFolder().With("train.tsv", "a\tr\tb\na\tr\tb\nb\tr\tc\nc\tr\ta\n")
            .With("dev.tsv", "a\tr\tb\na\tr\tc\na\tr\tc\nc\tr\tb\nb\tr\ta\n").With("test.tsv", "c\tr\tb\nb\tr\tc\nc\tr\tb\n");

        var report = GraphCleaning.Clean(folder.Read());

        Assert.AreEqual(((1, 1, 1), 1, 1, 2, 0), (report.Repetitions, report.AlsoInTrain, report.AlsoInTest, report.Left, report.Drawn));
        Assert.AreEqual((3, 2, 2), (report.Graph.Train.Length, report.Graph.Validation.Length, report.Graph.Test.Length));
        CollectionAssert.AreEqual(
            new[]
            {
                "cleaned: 1 repetitions dropped from train, 1 from validation, 1 from test",
                "cleaned: 1 validation triples dropped that stand in train, 1 more that stand in test; 2 are left",
            },
            report.Graph.Notes);
        Assert.AreEqual(1, GraphAudit.Of(report.Graph).Splits.Test.AlsoInTrain, "what test repeats of train is told, not dropped");
        CollectionAssert.AreEqual(report.Graph.Validation, folder.Read(new GraphReadOptions { Clean = true }).Validation);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(3)]
    public void CleanSplits_ShareNothing_AndTrainKeepsItsEntities(int seed)
    {
        var graph = GraphOf(RandomGraph.Triples(seed, 60, 4, 900), RandomGraph.Triples(seed + 10, 60, 4, seed == 1 ? 300 : 3), RandomGraph.Triples(seed + 20, 60, 4, 50));

        var report = GraphCleaning.Clean(graph, seed);

        var (train, validation, test) = (report.Graph.Train.ToHashSet(), report.Graph.Validation.ToHashSet(), report.Graph.Test.ToHashSet());
        Assert.AreEqual((train.Count, validation.Count, test.Count), (report.Graph.Train.Length, report.Graph.Validation.Length, report.Graph.Test.Length), "no repetitions");
        Assert.IsFalse(validation.Overlaps(train));
        Assert.IsFalse(validation.Overlaps(test));
        CollectionAssert.AreEquivalent(graph.Test.Distinct().ToArray(), test.ToArray());
        CollectionAssert.AreEquivalent(graph.Train.Distinct().Concat(graph.Validation.Except(graph.Train).Except(graph.Test)).ToArray(), train.Concat(validation).ToArray(), "no fact is lost");
        CollectionAssert.AreEquivalent(EntitiesOf(graph.Train), EntitiesOf(report.Graph.Train));
        Assert.AreEqual(seed == 1 ? 0 : (int)Math.Round(0.05 * graph.Train.Distinct().Count(triple => !graph.Test.Contains(triple))), report.Drawn);
        Assert.AreEqual(report.Left + report.Drawn, validation.Count);
        CollectionAssert.AreEqual(report.Graph.Validation, GraphCleaning.Clean(graph, seed).Graph.Validation, "the same seed draws the same");

        var again = GraphCleaning.Clean(report.Graph);
        Assert.AreEqual((report.Graph.Train.Length, report.Graph.Validation.Length, 0), (again.Graph.Train.Length, again.Graph.Validation.Length, again.Drawn), "what is clean stays as it is");
        Assert.AreEqual("cleaned: nothing had to be dropped", again.Lines.Single());
    }

    [TestMethod]
    public void TheDraw_FollowsItsDefinition()
    {
        // python3 -c "import hashlib; print(sorted(range(8), key=lambda i: hashlib.sha256(f'7\te{i}\tr\te{(i+1)%8}'.encode()).digest()[:8])[:2])"
        var triples = Enumerable.Range(0, 8).Select(i => new Triple(i, 0, (i + 1) % 8)).ToImmutableArray();
        var labels = Enumerable.Range(0, 8).Select(i => $"e{i}").ToList();

        var (_, taken) = TripleDraw.Take(triples, labels, ["r"], 0.25, 7);

        CollectionAssert.AreEqual(new[] { 2, 6 }, taken.Select(triple => triple.Head).ToArray());
    }

    [TestMethod]
    public void Db15K_HasTheFaultsThatItsReadmeNames_AndIsCleanAfterwards()
    {
        var graph = GraphReader.Read(TestData.Require("DB15K"));
        Assert.AreEqual(("openke", 12_842, 279, 79_222, 9_904, 9_902),
            (graph.Layout, graph.Entities.Count, graph.Relations.Count, graph.Train.Length, graph.Validation.Length, graph.Test.Length));
        var audit = GraphAudit.Of(graph);
        var validation = audit.Splits.Validation;
        Assert.AreEqual((7_481, 8_719, 1_105), (validation.Distinct, validation.AlsoInTrain, validation.AlsoInTest));
        Assert.AreEqual((6_584, 824, 0), (audit.Splits.Train.AlsoInValidation, audit.Splits.Test.AlsoInValidation, audit.Splits.Test.AlsoInTrain));
        if (graph.GivenNames.Any(name => name is not null))
        {
            Assert.AreEqual((12_842, 2_407), (audit.Text.Names, audit.Images.Entities));
        }

        var report = GraphCleaning.Clean(graph);

        Assert.AreEqual(((0, 2_423, 0), 6_584, 824, 73, 3_961), (report.Repetitions, report.AlsoInTrain, report.AlsoInTest, report.Left, report.Drawn));
        Assert.AreEqual((79_222 - 3_961, 73 + 3_961, 9_902), (report.Graph.Train.Length, report.Graph.Validation.Length, report.Graph.Test.Length));
        var clean = GraphAudit.Of(report.Graph);
        Assert.AreEqual((0, 0, 4_034), (clean.Splits.Validation.AlsoInTrain, clean.Splits.Validation.AlsoInTest, clean.Splits.Validation.Distinct));
        Assert.AreEqual(audit.EntitiesUnseenInTraining, clean.EntitiesUnseenInTraining);
    }

    private static int[] EntitiesOf(IEnumerable<Triple> triples) => [.. triples.SelectMany(triple => new[] { triple.Head, triple.Tail }).Distinct()];

    private static KnowledgeGraph GraphOf(ImmutableArray<Triple> train, ImmutableArray<Triple> validation, ImmutableArray<Triple> test) => new()
    {
        Path = "",
        Layout = "none",
        Entities = new Vocabulary(Enumerable.Range(0, 60).Select(i => $"e{i}")),
        Relations = new Vocabulary(["r", "s", "t", "u"]),
        GivenNames = [.. Enumerable.Repeat((string?)null, 60)],
        Descriptions = [.. Enumerable.Repeat((string?)null, 60)],
        RelationNames = ["r", "s", "t", "u"],
        Images = [.. Enumerable.Repeat(ImmutableArray<string>.Empty, 60)],
        Train = train,
        Validation = validation,
        Test = test,
    };
}
