using System.Text.Json;
using Moodle.Cli;
using Moodle.Graphs;
using Moodle.Tests.Support;
using Spectre.Console;

namespace Moodle.Tests.Graphs;

[TestClass]
public sealed class GraphAuditTests
{
    [TestMethod]
    public void RepetitionsOverlapsAndUnseenEntitiesAreCountedBySplit()
    {
        using var folder = new GraphFolder()
            .With("train.tsv", "a\tr\tb\na\tr\tb\nb\tr\tc\n")
            .With("dev.tsv", "a\tr\tb\na\tr\tb\nc\tr\td\nb\ts\ta\n")
            .With("test.tsv", "c\tr\td\na\tr\tb\n")
            .With("entities.txt", "a\nb\nc\nd\ne\n");

        var audit = GraphAudit.Of(folder.Read());

        Assert.AreEqual((3, 2, 0, 2, 2), Figures(audit.Splits.Train));
        Assert.AreEqual((4, 3, 2, 0, 3), Figures(audit.Splits.Validation));
        Assert.AreEqual((2, 2, 1, 2, 0), Figures(audit.Splits.Test));
        Assert.AreEqual((2, 1, 1), (audit.EntitiesUnseenInTraining, audit.Splits.Validation.UnseenEntities, audit.Splits.Test.UnseenEntities));
        Assert.AreEqual((1, 1, 2), (audit.RelationsUnseenInTraining, audit.Splits.Validation.UnseenRelations, audit.Splits.Validation.TriplesWithUnseen));
        Assert.AreEqual((2, 1, 3), (audit.Splits.Validation.LinkedForward, audit.Splits.Validation.LinkedReversed, audit.Splits.Validation.Linked));
        CollectionAssert.Contains(audit.Warnings, "train: 1 of 3 triples are repetitions");
        CollectionAssert.Contains(audit.Warnings, "validation: 2 of 4 (50.0 %) triples stand in train as well; figures on it flatter");
        CollectionAssert.Contains(audit.Warnings, "2 of 5 entities are candidates but never occur in train");

        static (int, int, int, int, int) Figures(SplitAudit split) =>
            (split.Triples, split.Distinct, split.AlsoInTrain, split.AlsoInValidation, split.AlsoInTest);
    }

    [TestMethod]
    public void SymmetricInverseAndRepeatedRelationsAreFound()
    {
        var pairs = Enumerable.Range(0, 10).Select(i => (Head: $"h{i}", Tail: $"t{i}")).ToList();
        var lines = pairs.SelectMany(pair => new[] { $"{pair.Head}\towns\t{pair.Tail}", $"{pair.Tail}\towned by\t{pair.Head}", $"{pair.Head}\tnear\t{pair.Tail}", $"{pair.Tail}\tnear\t{pair.Head}" })
            .Concat(pairs.Take(9).Select(pair => $"{pair.Head}\tholds\t{pair.Tail}"))
            .Concat(pairs.Take(7).Select(pair => $"{pair.Head}\tlikes\t{pair.Tail}")).Append("x\tlikes\ty").Append("x\tlikes\tz")
            .Concat(pairs.Select(pair => $"{pair.Head}\tis\t{pair.Head}"));
        using var folder = new GraphFolder().With("train.tsv", string.Join('\n', lines)).With("dev.tsv", "").With("test.tsv", "h1\towns\tt2\n");

        var found = GraphAudit.Of(folder.Read()).Patterns.Where(pattern => pattern.Other != "near" || pattern.Relation == "near").ToList();

        CollectionAssert.AreEquivalent(
            new[]
            {
                new RelationPattern(PatternKind.Symmetric, "near", "near", 1, 1, 20),
                new RelationPattern(PatternKind.Inverse, "owns", "owned by", 1, 1, 10),
                new RelationPattern(PatternKind.Duplicate, "holds", "owns", 1, 0.9, 9),
                new RelationPattern(PatternKind.Inverse, "holds", "owned by", 1, 0.9, 9),
            },
            found);
    }

    [TestMethod]
    public void CoverageOfTextsAndPicturesIsCounted()
    {
        using var folder = GraphFolder.Small()
            .With("entity2text.txt", "paris\tParis\nfrance\tFrench Republic\nrome\trome\n")
            .With("entity2textlong.txt", "italy\tA country  in Europe.\n")
            .With("images/france/1.png", "").With("images/france/2.png", "");

        var audit = GraphAudit.Of(folder.Read());

        Assert.AreEqual(new TextAudit(2, 1, new Distribution(1.5, 1, 1, 2), new Distribution(4, 4, 4, 4)), audit.Text);
        Assert.AreEqual(new ImageAudit(1, 2, new Distribution(2, 2, 2, 2)), audit.Images);
        Assert.AreEqual((2, 1, 1, 1), (audit.Splits.Test.Entities, audit.Splits.Test.EntitiesWithName, audit.Splits.Test.EntitiesWithDescription, audit.Splits.Test.EntitiesWithImage));
    }

    [TestMethod]
    public void JsonAndTablesShowTheFigures()
    {
        using var folder = GraphFolder.Small().With("images/france/1.png", "");

        var inspect = DataInspectCommand.Create().Parse([folder.Path, "--json", folder["audit.json"]]);
        Assert.AreEqual(0, inspect.Invoke(new() { EnableDefaultExceptionHandler = false }));

        var json = JsonDocument.Parse(File.ReadAllText(folder["audit.json"])).RootElement;
        Assert.AreEqual(("mkgformer", 4, 2), (json.GetProperty("layout").GetString(), json.GetProperty("entities").GetInt32(), json.GetProperty("relations").GetInt32()));
        foreach (var split in new[] { "train", "validation", "test" })
        {
            foreach (var key in new[] { "triples", "distinct", "also_in_train", "also_in_validation", "also_in_test", "unseen_entities" })
            {
                Assert.IsTrue(json.GetProperty("splits").GetProperty(split).TryGetProperty(key, out _), $"{split}.{key}");
            }
        }

        Assert.AreEqual((0, 0), (json.GetProperty("text").GetProperty("names").GetInt32(), json.GetProperty("text").GetProperty("descriptions").GetInt32()));
        Assert.AreEqual((1, 1), (json.GetProperty("images").GetProperty("entities").GetInt32(), json.GetProperty("images").GetProperty("files").GetInt32()));
        Assert.AreEqual(JsonValueKind.Array, json.GetProperty("warnings").ValueKind);

        using var writer = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer), Ansi = AnsiSupport.No });
        console.Profile.Width = 300;
        DataInspectCommand.Print(GraphAudit.Of(folder.Read()), console);
        var text = writer.ToString();
        StringAssert.Matches(text, new(@"layout +mkgformer"));
        StringAssert.Matches(text, new(@"triples +2 +1 +1"));
        StringAssert.Contains(text, "warning: 3 of 4 (75.0 %) entities have no picture");
        Assert.DoesNotContain('│', text);
    }

    [TestMethod]
    public void AnAuditThatCannotBeWrittenIsRefused()
    {
        using var folder = GraphFolder.Small();

        var inspect = DataInspectCommand.Create().Parse([folder.Path, "--json", folder["train.tsv/below-a-file.json"]]);

        StringAssert.Contains(Assert.ThrowsExactly<InputException>(() => inspect.Invoke(new() { EnableDefaultExceptionHandler = false })).Message, "cannot be written");
    }

    [TestMethod]
    public void KnownFiguresOfRealDataSetsComeOut()
    {
        var wn = GraphAudit.Of(GraphReader.Read(TestData.Require("WN18-IMG")));
        Assert.AreEqual(0.940, (double)wn.Splits.Test.LinkedReversed / wn.Splits.Test.Triples, 0.0005);
        Assert.IsTrue(wn.Patterns.Any(pattern => (pattern.Kind, pattern.Relation, pattern.Other) == (PatternKind.Inverse, "_hypernym", "_hyponym")));

        var fb = GraphAudit.Of(GraphReader.Read(TestData.Require("FB15K-237-IMG")));
        Assert.AreEqual((36, 0), (fb.EntitiesUnseenInTraining, fb.Splits.Test.Linked));
    }
}
