using System.Collections.Immutable;
using Moodle.Configuration;
using Moodle.Graphs;
using Moodle.Modalities;

namespace Moodle.Tests.Modalities;

[TestClass]
public sealed class DocumentsTests
{
    private static readonly DocumentConfig Everything = new() { Description = true, Triples = true };

    [TestMethod]
    [DataRow(false, false, "Paris")]
    [DataRow(true, false, "Paris . A city.")]
    [DataRow(false, true, "Paris . capital of France")]
    [DataRow(true, true, "Paris . A city. . capital of France")]
    public void ADocument_HoldsWhatIsAskedFor(bool description, bool triples, string expected) =>
        Assert.AreEqual(expected, Documents.Write(Graph(), new DocumentConfig { Description = description, Triples = triples })[0]);

    [TestMethod]
    public void Facts_AreToldFromBothEnds_InTheOrderOfTheirNumbers_Once()
    {
        var documents = Documents.Write(Graph(), Everything);
        Assert.AreEqual("France . Paris capital of . borders Italy . Italy borders", documents[1]);
        Assert.AreEqual("Italy . A country. . France borders . borders France", documents[2]);
        Assert.AreEqual("Atlantis", documents[3], "an entity without facts");
    }

    [TestMethod]
    public void TheOrderOfLinesInAFile_ChangesNothing()
    {
        var graph = Graph();
        CollectionAssert.AreEqual(Documents.Write(graph, Everything), Documents.Write(With(graph, [.. graph.Train.Reverse()], graph.Validation, graph.Test), Everything));
    }

    [TestMethod]
    public void ValidationAndTestFacts_NeverAppear()
    {
        var graph = Graph();
        Assert.IsFalse(Documents.Write(graph, Everything).Any(document => document.Contains("hides", StringComparison.Ordinal)));
        CollectionAssert.AreEqual(Documents.Write(graph, Everything), Documents.Write(With(graph, graph.Train, [], []), Everything));
    }

    [TestMethod]
    public void TokenizedDocuments_EndAtTheLimit()
    {
        var tokenizer = new WordPieceTokenizer(WordPieceTrainer.Learn(["red green blue red green blue"], 300));
        ImmutableArray<string> texts = ["red green", "", "red green blue red", "  ", "blue red green blue red green"];
        var documents = new TokenizedDocuments(texts, tokenizer, 3);
        Assert.AreEqual((5, tokenizer.Count), (documents.Count, documents.VocabularySize));
        for (var i = 0; i < texts.Length; i++)
        {
            CollectionAssert.AreEqual(tokenizer.Encode(texts[i], 1000).Take(3).ToArray(), documents[i].ToArray());
        }

        CollectionAssert.AreEqual(new[] { 2, 0, 3, 0, 3 }, Enumerable.Range(0, 5).Select(i => documents[i].Length).ToArray());
    }

    private static KnowledgeGraph Graph() => With(
        null,
        [new(1, 1, 2), new(0, 0, 1), new(2, 1, 1), new(1, 1, 2)],
        [new(0, 2, 3), new(3, 0, 1)],
        [new(3, 2, 2)]);

    private static KnowledgeGraph With(KnowledgeGraph? graph, ImmutableArray<Triple> train, ImmutableArray<Triple> validation, ImmutableArray<Triple> test) => new()
    {
        Path = "",
        Layout = "test",
        Entities = graph?.Entities ?? new Vocabulary(["e0", "e1", "e2", "e3"]),
        Relations = graph?.Relations ?? new Vocabulary(["r0", "r1", "r2"]),
        GivenNames = ["Paris", "France", "Italy", "Atlantis"],
        Descriptions = ["A city.", null, "A country.", null],
        RelationNames = ["capital of", "borders", "hides"],
        Images = [[], [], [], []],
        Train = train,
        Validation = validation,
        Test = test,
    };
}
