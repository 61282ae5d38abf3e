using System.Text;
using Moodle.Graphs;
using Moodle.Tests.Support;

namespace Moodle.Tests.Graphs;

[TestClass]
public sealed class GraphReaderTests
{
    [TestMethod]
    public void WithoutAListEntitiesAreNumberedByFirstOccurrenceAndTextsOfOthersAreNoCandidates()
    {
        using var folder = GraphFolder.Small()
            .With("entity2text.txt", "atlantis\tAtlantis\nfrance\tThe French \"Republic\"\nrome\tRome\n")
            .With("entity2textlong.txt", "rome\tA city, on seven hills.\nparis\t\n")
            .With("relation2text.txt", "borders\tshares a border with\n");

        var graph = folder.Read();

        Assert.AreEqual("mkgformer", graph.Layout);
        CollectionAssert.AreEqual(new[] { "paris", "france", "rome", "italy" }, graph.Entities.Labels);
        CollectionAssert.AreEqual(new[] { "capital of", "borders" }, graph.Relations.Labels);
        CollectionAssert.AreEqual(new[] { new Triple(0, 0, 1), new Triple(2, 0, 3) }, graph.Train);
        CollectionAssert.AreEqual(new[] { new Triple(1, 1, 3) }, graph.Validation);
        CollectionAssert.AreEqual(new[] { new Triple(3, 1, 1) }, graph.Test);
        CollectionAssert.AreEqual(new[] { "paris", "The French \"Republic\"", "Rome", "italy" }, graph.EntityNames);
        CollectionAssert.AreEqual(new[] { null, null, "A city, on seven hills.", null }, graph.Descriptions);
        CollectionAssert.AreEqual(new[] { "capital of", "shares a border with" }, graph.RelationNames);
    }

    [TestMethod]
    public void AListGivesOrderAndCandidatesThatNoTripleHas()
    {
        using var folder = GraphFolder.Small().With("entities.txt", "italy\r\nmonaco\r\nfrance\r\nparis\r\nrome");

        CollectionAssert.AreEqual(new[] { "italy", "monaco", "france", "paris", "rome" }, folder.Read().Entities.Labels);
    }

    [TestMethod]
    public void MoSeSplitsAreReadWithAndWithoutExtension()
    {
        using var folder = new GraphFolder()
            .With("train", "00001740\t_hyponym\t00002137\n").With("valid.txt", "").With("test", "00002137\t_hypernym\t00001740\n")
            .With("images/n00001740/b.JPEG", "").With("images/n00001740/a.png", "").With("images/n00001740/notes.txt", "");

        var graph = folder.Read();

        Assert.AreEqual("mose", graph.Layout);
        Assert.IsEmpty(graph.Validation);
        CollectionAssert.AreEqual(new[] { folder["images/n00001740/a.png"], folder["images/n00001740/b.JPEG"] }, graph.Images[0]);
        Assert.IsEmpty(graph.Images[1]);
    }

    [TestMethod]
    public void PicturesOfFreebaseAndPlainLabelsAreFoundAndNoLabelLeavesTheFolder()
    {
        using var folder = new GraphFolder()
            .With("train.tsv", "/m/0abc\tr\tdemo land\n..\tr\t../secret\n").With("dev.tsv", "").With("test.tsv", "demo land\tr\t/m/0abc\n")
            .With("images/m.0abc/1.jpg", "").With("images/demo land/1.webp", "").With("outside.png", "").With("secret/1.png", "");

        var graph = folder.Read();

        Assert.AreEqual(folder["images/m.0abc/1.jpg"], graph.Images[0].Single());
        Assert.AreEqual(folder["images/demo land/1.webp"], graph.Images[1].Single());
        Assert.IsEmpty(graph.Images[2]);
        Assert.IsEmpty(graph.Images[3]);
    }

    [TestMethod]
    public void AByteOrderMarkAndEmptyLinesAreNoContent()
    {
        using var folder = GraphFolder.Small();
        File.WriteAllText(folder["train.tsv"], "a\tr\tb\n\n\nb\tr\tc\n\n", new UTF8Encoding(true));

        CollectionAssert.AreEqual(new[] { "a", "b", "c", "france", "italy" }, folder.Read().Entities.Labels);
    }

    [TestMethod]
    public void AnUnknownLayoutSaysWhatWasLookedFor()
    {
        using var folder = new GraphFolder().With("triples.nt", "");

        StringAssert.Contains(folder.Refusal(), "looked for train.tsv, dev.tsv or valid.tsv, test.tsv (mkgformer); train.del");
    }

    [TestMethod]
    public void AFolderThatDoesNotExistIsNamed() =>
        StringAssert.Contains(Assert.ThrowsExactly<InputException>(() => GraphReader.Read("/no/such/place")).Message, "/no/such/place: no such folder");

    [TestMethod]
    public void AMissingSplitIsNamed()
    {
        using var folder = GraphFolder.Small().Without("dev.tsv");

        StringAssert.StartsWith(folder.Refusal(), "dev.tsv: no such file; the mkgformer layout needs train.tsv");
    }

    [TestMethod]
    [DataRow("train.tsv", "")]
    [DataRow("test.tsv", "\r\n")]
    public void AnEmptySplitIsRefused(string file, string text)
    {
        using var folder = GraphFolder.Small().With(file, text);

        Assert.AreEqual($"{file}: holds no triple; a line is tab separated: head, relation, tail", folder.Refusal());
    }

    [TestMethod]
    [DataRow("a\tr\tb\r\n\r\na r b\r\n", "train.tsv:3: found 1 column, expected 3; a line is tab separated: head, relation, tail")]
    [DataRow("a\tr\tb\na\tr\tb\tc\n", "train.tsv:2: found 4 columns, expected 3; a line is tab separated: head, relation, tail")]
    [DataRow("a\tr\tb\na\t\tb\n", "train.tsv:2: column 2 is empty; a line is tab separated: head, relation, tail")]
    public void ALineOfTheWrongShapeIsNamed(string train, string message)
    {
        using var folder = GraphFolder.Small().With("train.tsv", train);

        Assert.AreEqual(message, folder.Refusal());
    }

    [TestMethod]
    public void BytesThatAreNoUtf8AreNamedByLine()
    {
        using var folder = GraphFolder.Small();
        File.WriteAllBytes(folder["train.tsv"], [.. Encoding.UTF8.GetBytes("ä\tr\tb\nz"), 0xE4, .. Encoding.UTF8.GetBytes("\tr\tb\n")]);

        Assert.AreEqual("train.tsv:2: not valid UTF-8; save the file as UTF-8", folder.Refusal());
    }

    [TestMethod]
    public void TheListOfEntitiesMustBeCompleteAndWithoutRepetition()
    {
        using var folder = GraphFolder.Small().With("entities.txt", "paris\nfrance\nrome\n");
        StringAssert.StartsWith(folder.Refusal(), "train.tsv:2: entity 'italy' is not in ");

        folder.With("entities.txt", "paris\nfrance\nparis\n");
        StringAssert.StartsWith(folder.Refusal(), "entities.txt:3: entity 'paris' is listed twice");
    }

    [TestMethod]
    public void RealDataSetsAreReadInFull()
    {
        var fb = GraphReader.Read(TestData.Require("FB15K-237-IMG"));
        Assert.AreEqual((14_541, 237, 272_115, 17_535, 20_466),
            (fb.Entities.Count, fb.Relations.Count, fb.Train.Length, fb.Validation.Length, fb.Test.Length));
        Assert.AreEqual((2_473, 4_629), (fb.Images.Count(images => images.Length > 0), fb.Images.Sum(images => images.Length)));
        // Two lines of entity2textlong.txt have no text.
        Assert.AreEqual(14_539, fb.Descriptions.Count(text => text is not null));

        var wn = GraphReader.Read(TestData.Require("WN18-IMG"));
        Assert.AreEqual((40_943, 18, 141_442, 5_000, 5_000),
            (wn.Entities.Count, wn.Relations.Count, wn.Train.Length, wn.Validation.Length, wn.Test.Length));
        Assert.AreEqual((477, 1_055), (wn.Images.Count(images => images.Length > 0), wn.Images.Sum(images => images.Length)));
    }
}
