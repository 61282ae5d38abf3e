using Moodle.Graphs;
using Moodle.Tests.Graphs;
using Moodle.Tests.Support;

namespace Moodle.Tests.Cli;

[TestClass]
public sealed class DataConvertCommandTests
{
    [TestMethod]
    [DataRow("copy")]
    [DataRow("link")]
    [DataRow("none")]
    public void WhatIsWritten_ReadsBackAsItWas(string pictures)
    {
        using var folder = new GraphFolder()
            .With("in/train2id.txt", "3\n0 1 0\n2 1 0\n0 2 1\n").With("in/valid2id.txt", "1\n0 1 0\n").With("in/test2id.txt", "1\n1 0 0\n")
            .With("in/entity2id.txt", "4\n/m/0a 0\n<http://x/b c> 1\n00001740 2\nlonely 3\n").With("in/relation2id.txt", "2\n<http://r/of> 0\nin 1\n")
            .With("in/entity2text.txt", "/m/0a\tThe \"first\"\nlonely\tlonely\n").With("in/entity2textlong.txt", "00001740\tA thing.\n")
            .With("in/FB15k-images/m.0a/b.jpg", "B").With("in/FB15k-images/m.0a/a", "A").With("in/wn18-images/n00001740/1.png", "N").With("in/images/http%3A%2F%2Fx%2Fb%20c/1.gif", "G");

        var output = CommandLine.Done("data", "convert", folder["in"], folder["out"], "--pictures", pictures);

        Assert.Contains("(openke layout)", output);
        Assert.Contains("4 entities, 2 relations, 3 training, 1 validation and 1 test triples", output);
        var (before, after) = (GraphReader.Read(folder["in"]), GraphReader.Read(folder["out"]));
        Assert.AreEqual("mkgformer", after.Layout);
        CollectionAssert.AreEqual(before.Entities.Labels, after.Entities.Labels, "ids stay, so that features in id order still fit");
        foreach (var split in Enum.GetValues<Split>())
        {
            CollectionAssert.AreEqual(Labels(before, split), Labels(after, split));
        }

        CollectionAssert.AreEqual(before.GivenNames, after.GivenNames);
        CollectionAssert.AreEqual(before.Descriptions, after.Descriptions);
        CollectionAssert.AreEquivalent(before.RelationNames, after.RelationNames);
        foreach (var (one, other) in before.Images.Zip(after.Images))
        {
            CollectionAssert.AreEqual(pictures == "none" ? [] : one.Select(File.ReadAllText).ToArray(), other.Select(File.ReadAllText).ToArray());
        }
    }

    [TestMethod]
    public void AFolderThatHoldsSomething_IsKept_UnlessForced()
    {
        using var folder = GraphFolder.Small();
        using var target = new GraphFolder().With("train.tsv", "old").With("images/x/1.png", "").With("notes.md", "mine");
        CommandLine.Refused(["data", "convert", folder.Path, target.Path], target.Path, "is not empty", "--force");
        Assert.AreEqual("old", File.ReadAllText(target["train.tsv"]));

        CommandLine.Done("data", "convert", folder.Path, target.Path, "--force");
        Assert.AreEqual(2, target.Read().Train.Length);
        Assert.IsFalse(Directory.Exists(target["images"]));
        Assert.AreEqual("mine", File.ReadAllText(target["notes.md"]));

        CommandLine.Refused(["data", "convert", folder.Path, folder.Path, "--force"], "is the data set's own folder");
        File.CreateSymbolicLink(target["link"], folder.Path);
        CommandLine.Refused(["data", "convert", folder.Path, target["link"], "--force"], "is the data set's own folder");
        CommandLine.Refused(["data", "convert", folder.Path, folder["train.tsv"]], "is a file");
        CommandLine.Refused(["data", "convert", folder.Path, target["new"], "--layout", "openke"], "train2id.txt: no such file; the openke layout needs");
        CommandLine.Refused(["data", "convert", folder.Path, "/proc/data"], "cannot be written");
        Assert.AreEqual(2, folder.Read().Train.Length);
    }

    [TestMethod]
    public void Clean_WritesAuditedSplits_AndSaysWhatItDid()
    {
        using var folder = GraphFolder.Small().With("dev.tsv", "rome\tcapital of\titaly\nfrance\tborders\titaly\nfrance\tborders\titaly\nitaly\tborders\tfrance\n");

        var output = CommandLine.Done("data", "convert", folder.Path, folder["out"], "--clean");

        Assert.Contains("cleaned: 0 repetitions dropped from train, 1 from validation, 0 from test", output);
        Assert.Contains("1 validation triples dropped that stand in train, 1 more that stand in test; 1 are left", output);
        Assert.AreEqual("france\tborders\titaly\n", File.ReadAllText(folder["out/dev.tsv"]));
        Assert.Contains("1 more that stand in test", File.ReadAllText(folder["out/conversion.txt"]));
    }

    [TestMethod]
    public void Db15K_IsCleanedTheSameBySeed()
    {
        var data = TestData.Require("DB15K");
        using var folder = TestData.NewFolder();
        foreach (var (name, seed) in new[] { ("a", "1"), ("b", "1"), ("c", "2") })
        {
            Assert.Contains("73 validation triples are too few, so 3,961 (5 %) of train were drawn from train by seed " + seed,
                CommandLine.Done("data", "convert", data, folder[name], "--clean", "--seed", seed, "--pictures", "none").Replace("(5 % of train)", "(5 %) of train", StringComparison.Ordinal));
        }

        Assert.AreEqual(File.ReadAllText(folder["a/dev.tsv"]), File.ReadAllText(folder["b/dev.tsv"]));
        Assert.AreNotEqual(File.ReadAllText(folder["a/dev.tsv"]), File.ReadAllText(folder["c/dev.tsv"]));
        var graph = GraphReader.Read(folder["a"]);
        Assert.AreEqual((12_842, 75_261, 4_034, 9_902), (graph.Entities.Count, graph.Train.Length, graph.Validation.Length, graph.Test.Length));
        CollectionAssert.AreEqual(GraphReader.Read(data, new GraphReadOptions { Clean = true }).Validation.Select(triple => triple.Head).ToArray(), graph.Validation.Select(triple => triple.Head).ToArray());
    }

    [TestMethod]
    public void List_NamesEveryDataSetWithItsSource()
    {
        var output = CommandLine.Done("data", "list");
        foreach (var data in KnownDataSet.All)
        {
            Assert.Contains(data.Name, output);
            Assert.Contains(data.Source, output);
            Assert.Contains(data.Licence, output);
            CollectionAssert.Contains(GraphReader.LayoutNames.ToArray(), data.Layout);
        }

        Assert.MatchesRegex(@"DB15K +12,842 +279 +79,222 +9,904 +9,902 +openke", output);
    }

    private static string[] Labels(KnowledgeGraph graph, Split split) =>
        [.. graph.TriplesOf(split).Select(triple => $"{graph.Entities[triple.Head]} {graph.Relations[triple.Relation]} {graph.Entities[triple.Tail]}")];
}
