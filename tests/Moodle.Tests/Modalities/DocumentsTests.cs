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
        Assert.AreEqual(expected, Write(Graph(), new DocumentConfig { Description = description, Triples = triples })[0]);

    [TestMethod]
    public void Facts_AreToldFromBothEnds_InTheOrderOfTheirNumbers_Once()
    {
        var documents = Write(Graph(), Everything);
        Assert.AreEqual("France . borders Italy . Paris capital of . Italy borders", documents[1]);
        Assert.AreEqual("Italy . A country. . borders France . France borders", documents[2]);
        Assert.AreEqual("Atlantis", documents[3], "an entity without facts");
    }

    [TestMethod]
    public void TheOrderOfLinesInAFile_ChangesNothing()
    {
        var graph = Graph();
        CollectionAssert.AreEqual(Write(graph, Everything), Write(With(graph, [.. graph.Train.Reverse()], graph.Validation, graph.Test), Everything));
    }

    [TestMethod]
    public void ValidationAndTestFacts_NeverAppear()
    {
        var graph = Graph();
        Assert.IsFalse(Write(graph, Everything).Any(document => document.Contains("hides", StringComparison.Ordinal)));
        CollectionAssert.AreEqual(Write(graph, Everything), Write(With(graph, graph.Train, [], []), Everything));
    }

    [TestMethod]
    public void EveryRelation_IsToldOnce_BeforeAnyIsToldTwice()
    {
        var graph = With(null, [new(1, 0, 0), new(1, 0, 2), new(1, 0, 3), new(1, 1, 2), new(0, 1, 1)], [], []);
        Assert.AreEqual("France . capital of Paris . borders Italy . Paris borders . capital of Italy . capital of Atlantis", Write(graph, new DocumentConfig { Description = false, Triples = true })[1]);
    }

    [TestMethod]
    public void OnlyTheGivenTriples_AreTold()
    {
        var graph = Graph();
        Assert.AreEqual("Paris . A city.", Documents.Write(graph, [.. graph.Train.Where(triple => triple.Head != 0)], Everything)[0].ToString(), "held-out triples stay out of sight");
    }

    [TestMethod]
    public void AFactThatIsAskedFor_IsLeftOut_AndNothingElse()
    {
        var tokenizer = new WordPieceTokenizer(WordPieceTrainer.Learn(["paris . a city france borders italy capital of"], 300));
        EntityDocument document = new("France", [new(0, "Paris capital of"), new(2, "borders Italy"), new(2, "Italy borders"), new(3, "of Atlantis")]);
        var documents = new TokenizedDocuments([document], tokenizer, 1000);
        int[] Tokens(params string[] parts) => tokenizer.Encode(string.Join(EntityDocument.Separator, parts), 1000);
        CollectionAssert.AreEqual(Tokens("France", "Paris capital of", "of Atlantis"), documents.Without(0, new HashSet<int> { 2 }));
        CollectionAssert.AreEqual(Tokens("France", "borders Italy", "Italy borders"), documents.Without(0, new HashSet<int> { 0, 3 }));
        CollectionAssert.AreEqual(Tokens("France"), documents.Without(0, new HashSet<int> { 0, 2, 3 }));
        CollectionAssert.AreEqual(Tokens("France", "Paris capital of", "borders Italy", "Italy borders", "of Atlantis"), documents.Without(0, new HashSet<int> { 7 }));
        CollectionAssert.AreEqual(documents[0].ToArray(), documents.Without(0, new HashSet<int>()));
        Assert.IsTrue(documents.HaveFacts);
        Assert.IsFalse(new TokenizedDocuments([document with { Facts = [] }], tokenizer, 1000).HaveFacts);
    }

    [TestMethod]
    public void ADocumentOfFactsAlone_IsNeverEmpty()
    {
        var tokenizer = new WordPieceTokenizer(WordPieceTrainer.Learn(["borders italy ."], 300));
        var documents = new TokenizedDocuments([new EntityDocument("", [new(2, "borders Italy")])], tokenizer, 1000);
        Assert.HasCount(1, documents.Without(0, new HashSet<int> { 2 }));
    }

    [TestMethod]
    public void AFactThatWouldCrossTheLimit_IsNotCutInTwo()
    {
        var tokenizer = new WordPieceTokenizer(WordPieceTrainer.Learn(["red green blue . red green blue ."], 300));
        var documents = new TokenizedDocuments([new EntityDocument("red", [new(1, "green"), new(2, "blue blue")])], tokenizer, 5);
        CollectionAssert.AreEqual(tokenizer.Encode("red . green", 10), documents[0].ToArray());
    }

    [TestMethod]
    public void TokenizedDocuments_EndAtTheLimit()
    {
        var tokenizer = new WordPieceTokenizer(WordPieceTrainer.Learn(["red green blue red green blue"], 300));
        ImmutableArray<string> texts = ["red green", "", "red green blue red", "  ", "blue red green blue red green"];
        var documents = new TokenizedDocuments([.. texts.Select(text => new EntityDocument(text, []))], tokenizer, 3);
        Assert.AreEqual((5, tokenizer.Count), (documents.Count, documents.VocabularySize));
        for (var i = 0; i < texts.Length; i++)
        {
            CollectionAssert.AreEqual(tokenizer.Encode(texts[i], 1000).Take(3).ToArray(), documents[i].ToArray());
        }

        CollectionAssert.AreEqual(new[] { 2, 0, 3, 0, 3 }, Enumerable.Range(0, 5).Select(i => documents[i].Length).ToArray());
    }

    private static string[] Write(KnowledgeGraph graph, DocumentConfig config) => [.. Documents.Write(graph, graph.Train, config).Select(document => document.ToString())];

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
