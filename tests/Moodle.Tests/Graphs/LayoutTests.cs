using System.IO.Compression;
using System.Text;
using Moodle.Graphs;

namespace Moodle.Tests.Graphs;

/// <summary>The same small graph in every layout: paris capital_of france (train), rome capital_of italy (train), france borders italy (validation), italy borders france (test).</summary>
[TestClass]
public sealed class LayoutTests
{
    private static readonly string[] s_expected = ["train: paris capital_of france", "train: rome capital_of italy", "validation: france borders italy", "test: italy borders france"];

    [TestMethod]
    [DataRow("mkgformer")]
    [DataRow("libkge")]
    [DataRow("pykeen")]
    [DataRow("openke")]
    [DataRow("mygo")]
    [DataRow("momok")]
    [DataRow("mose")]
    public void EveryLayout_IsRecognisedAndGivesTheSameTriples(string layout)
    {
        using var folder = Fixture(new GraphFolder(), layout);

        Check(folder.Read(), layout);
        Check(folder.Read(new GraphReadOptions { Layout = layout }), layout);

        static void Check(KnowledgeGraph graph, string layout)
        {
            Assert.AreEqual(layout, graph.Layout);
            CollectionAssert.AreEqual(s_expected, Lines(graph));
            Assert.IsEmpty(graph.Notes);
        }
    }

    [TestMethod]
    public void ListsGiveTheOrderOfIds()
    {
        foreach (var layout in new[] { "libkge", "pykeen", "openke", "mygo", "momok" })
        {
            using var folder = Fixture(new GraphFolder(), layout);
            var graph = folder.Read();
            CollectionAssert.AreEqual(new[] { "france", "italy", "paris", "rome" }, graph.Entities.Labels, layout);
            CollectionAssert.AreEqual(new[] { "borders", "capital_of" }, graph.Relations.Labels, layout);
            Assert.IsNotNull(graph.EntityList, layout);
        }

        using var mose = Fixture(new GraphFolder(), "mose");
        Assert.IsNull(mose.Read().EntityList, "by first occurrence");
    }

    [TestMethod]
    public void OfTwoLayouts_TheFirstInTheListIsTaken_UnlessOneIsAskedFor()
    {
        using var folder = new GraphFolder();
        foreach (var layout in GraphReader.LayoutNames.Where(name => name != "mmkb").Reverse())
        {
            // momok and mose, and mygo's lists, share names; the last one written stands.
            Fixture(folder, layout);
            Assert.AreEqual(layout is "momok" or "mygo" ? layout : GraphReader.LayoutNames.First(name => name == folder.Read().Layout), folder.Read().Layout);
        }

        Assert.AreEqual("mkgformer", folder.Read().Layout);
        foreach (var layout in new[] { "libkge", "pykeen", "openke" })
        {
            Assert.AreEqual(layout, folder.Read(new GraphReadOptions { Layout = layout }).Layout);
        }

        Assert.Contains("layout 'owl' is not known; take one of auto, mkgformer, libkge",
            Assert.ThrowsExactly<InputException>(() => folder.Read(new GraphReadOptions { Layout = "owl" })).Message);
    }

    [TestMethod]
    public void ACompleteLayout_ComesBeforeAPartOfOne()
    {
        using var folder = Fixture(new GraphFolder(), "mose").With("test.tsv", "stray");

        Assert.AreEqual("mose", folder.Read().Layout);
        Assert.StartsWith("train.tsv: no such file; the mkgformer layout needs", Refusal(folder, "mkgformer"));
    }

    [TestMethod]
    public void AnUnknownFolder_ListsWhatWasLookedFor()
    {
        using var folder = new GraphFolder().With("graph.ttl", "");
        var message = folder.Refusal();
        Assert.Contains("not a data set of a known layout; looked for", message);
        foreach (var layout in GraphReader.LayoutNames)
        {
            Assert.Contains($"({layout})", message);
        }

        Assert.DoesNotContain('\n', message);
    }

    [TestMethod]
    public void UrisLoseTheirBrackets_AndReadLikeNames()
    {
        using var folder = new GraphFolder()
            .With("train.txt", "<http://dbpedia.org/resource/New_York_%28city%29> <http://dbpedia.org/ontology/country> <http://dbpedia.org/resource/USA> .\r\nplain <a b> /m/01\t.\r\n")
            .With("val.txt", "").With("test.txt", "plain x /m/01\n");

        var graph = folder.Read();

        Assert.AreEqual("momok", graph.Layout);
        CollectionAssert.AreEqual(new[] { "http://dbpedia.org/resource/New_York_%28city%29", "http://dbpedia.org/resource/USA", "plain", "/m/01" }, graph.Entities.Labels);
        CollectionAssert.AreEqual(new[] { "New York (city)", "USA", "plain", "/m/01" }, graph.EntityNames);
        CollectionAssert.AreEqual(new[] { "country", "a b", "x" }, graph.RelationNames);
        Assert.AreEqual(0, GraphAudit.Of(graph).Text.Names, "a name read off a label is none that the data set gives");
    }

    [TestMethod]
    public void OpenKe_WithCountsAlone_NumbersItsEntities()
    {
        using var folder = Fixture(new GraphFolder(), "openke").With("entity2id.txt", "4\n").With("relation2id.txt", "2\n");

        var graph = folder.Read();

        CollectionAssert.AreEqual(new[] { "0", "1", "2", "3" }, graph.Entities.Labels);
        CollectionAssert.AreEqual(new[] { new Triple(2, 1, 0), new Triple(3, 1, 1) }, graph.Train);
        folder.With("test2id.txt", "1\n1 2000000000 0\n");
        Assert.Contains("no list names them; add entity2id.txt", folder.Refusal());
    }

    [TestMethod]
    public void MyGo_TakesLabelsFromEntity2IdWhereItsListsAreNumbers()
    {
        using var folder = Fixture(new GraphFolder(), "mygo").With("entities.txt", "0\n1\n2\n3\n");
        CollectionAssert.AreEqual(new[] { "0", "1", "2", "3" }, folder.Read().Entities.Labels);

        folder.With("entity2id.txt", "http://www.wikidata.org/entity/Q142 0\nQ38 1\nParis, France 2\nRome 3\n");
        CollectionAssert.AreEqual(new[] { "http://www.wikidata.org/entity/Q142", "Q38", "Paris, France", "Rome" }, folder.Read().Entities.Labels);
    }

    [TestMethod]
    public void WordNetOffsetsWithListsBesideThem_AreLabelsAndNoNumbers()
    {
        using var folder = new GraphFolder().With("train.txt", "00001740\t_hyponym\t00002137\n").With("valid.txt", "").With("test.txt", "00002137\t_hypernym\t00001740\n")
            .With("entities.txt", "00001740\n00002137\n").With("relations.txt", "_hyponym\n_hypernym\n");

        Assert.AreEqual("mose", folder.Read().Layout);
        Assert.AreEqual("00001740", folder.Read().Entities[0]);
    }

    [TestMethod]
    public void Mmkb_DrawsItsSplitsTheSameEveryTime()
    {
        var lines = Enumerable.Range(0, 200).Select(i => $"<http://x/{i % 40}> <http://r/{i % 3}> <http://x/{(i * 7) % 40}> .").Distinct().ToArray();
        using var folder = new GraphFolder().With("DB15K_EntityTriples.txt", string.Join('\n', lines));
        using var shuffled = new GraphFolder().With("DB15K_EntityTriples.txt", string.Join('\n', lines.Reverse().Append(lines[0])));

        var (graph, again) = (folder.Read(), shuffled.Read());

        Assert.AreEqual("mmkb", graph.Layout);
        CollectionAssert.AreEquivalent(Lines(graph), Lines(again), "neither the order of lines nor repetitions matter");
        Assert.AreEqual(lines.Length, graph.Train.Length + graph.Validation.Length + graph.Test.Length);
        Assert.AreEqual((lines.Length / 10.0, lines.Length / 10.0), (graph.Validation.Length, graph.Test.Length));
        Assert.AreEqual(0, GraphAudit.Of(graph).EntitiesUnseenInTraining);
        Assert.Contains("has no splits", graph.Notes.Single());
    }

    [TestMethod]
    [DataRow("openke", "train2id.txt", "2\n2 0 1\n", "train2id.txt:1: announces 2 triples, 1 follow; the file is cut off")]
    [DataRow("openke", "train2id.txt", "2 0\n", "train2id.txt:1: found 2 columns, expected 3; a line is head, tail, relation by their numbers")]
    [DataRow("openke", "test2id.txt", "1 4 0\n", "test2id.txt:1: entity 4 is not in entity2id.txt, which ends at 3; columns are head, tail, relation")]
    [DataRow("openke", "test2id.txt", "1 -4 0\n", "test2id.txt:1: '-4' is no number of an entity or relation")]
    [DataRow("openke", "entity2id.txt", "3\nfrance 0\nitaly 1\nparis 2\nrome 3\n", "entity2id.txt:1: announces 3 lines, 4 follow")]
    [DataRow("openke", "entity2id.txt", "france 0\nitaly 1\nparis 2\nrome 2\n", "entity2id.txt:4: the id 2 stands here a second time")]
    [DataRow("openke", "entity2id.txt", "france 0\nitaly 1\nparis 3\n", "entity2id.txt: the id 2 is missing")]
    [DataRow("openke", "entity2id.txt", "france 0\nfrance 1\n", "entity2id.txt: 'france' has two ids")]
    [DataRow("openke", "relation2id.txt", "borders\ncapital_of 1\n", "relation2id.txt:1: no relation with its id; a line is relation, id")]
    [DataRow("libkge", "train.del", "0\t1\n", "train.del:1: found 2 columns, expected 3; a line is head, relation, tail by their numbers")]
    [DataRow("momok", "train.txt", "paris capital_of france .\nparis capital_of .\n", "train.txt:2: found 2 columns, expected 3; a line is head, relation and tail between blanks")]
    [DataRow("momok", "test.txt", "narnia borders france .\n", "test.txt:1: entity 'narnia' is not in entity2id.txt; add it there")]
    public void WhatIsWrong_IsNamedByFileAndLine(string layout, string file, string text, string message)
    {
        using var folder = Fixture(new GraphFolder(), layout).With(file, text);

        Assert.StartsWith(message, folder.Refusal().Replace(folder.Path + Path.DirectorySeparatorChar, "", StringComparison.Ordinal));
    }

    [TestMethod]
    public void PackedTablesThatAreDamaged_AreNamed()
    {
        using var folder = Fixture(new GraphFolder(), "pykeen");
        var file = folder["training/numeric_triples.tsv.gz"];
        File.WriteAllBytes(file, File.ReadAllBytes(file)[..^12]);
        Assert.Contains("training/numeric_triples.tsv.gz: no valid gzip file, or cut off", folder.Refusal());
        File.WriteAllText(file, "no gzip at all");
        Assert.Contains("no valid gzip file", folder.Refusal());

        Gzip(folder, "training/numeric_triples.tsv.gz", "h\tr\tt\n" + string.Concat(Enumerable.Repeat("2\t1\t0\n", 1_000_000)));
        Assert.Contains("unpacks to more than 50 times its size", folder.Refusal());
    }

    private static string[] Lines(KnowledgeGraph graph) => [.. Enum.GetValues<Split>().SelectMany(split => graph.TriplesOf(split).Select(triple =>
        $"{split.ToString().ToLowerInvariant()}: {graph.Entities[triple.Head]} {graph.Relations[triple.Relation]} {graph.Entities[triple.Tail]}"))];

    private static string Refusal(GraphFolder folder, string layout) =>
        Assert.ThrowsExactly<InputException>(() => folder.Read(new GraphReadOptions { Layout = layout })).Message.Replace(folder.Path + Path.DirectorySeparatorChar, "", StringComparison.Ordinal);

    private static GraphFolder Fixture(GraphFolder folder, string layout) => layout switch
    {
        "mkgformer" => folder.With("train.tsv", "paris\tcapital_of\tfrance\r\nrome\tcapital_of\titaly\r\n").With("dev.tsv", "france\tborders\titaly\r\n").With("test.tsv", "italy\tborders\tfrance"),
        "mose" => folder.With("train", "paris\tcapital_of\tfrance\nrome\tcapital_of\titaly\n").With("valid.txt", "france\tborders\titaly\n").With("test", "italy\tborders\tfrance\n"),
        "momok" => folder.With("train.txt", "paris capital_of france .\nrome capital_of italy .\n").With("valid.txt", "france borders italy .\n").With("test.txt", "italy borders france .\n")
            .With("entity2id.txt", "france 0\nitaly 1\nparis 2\nrome 3\n").With("relation2id.txt", "borders 0\ncapital_of 1\n"),
        "mygo" => folder.With("train.txt", "2\t1\t0\n3\t1\t1\n").With("valid.txt", "0\t0\t1\n").With("test.txt", "1\t0\t0\n")
            .With("entities.txt", "france\nitaly\nparis\nrome\n").With("relations.txt", "borders\ncapital_of\n"),
        "openke" => folder.With("train2id.txt", "2\n2 0 1\n3 1 1\n").With("valid2id.txt", "1\n0 1 0\n").With("test2id.txt", "1\n1\t0\t0\n")
            .With("entity2id.txt", "4\nfrance\t0\nitaly\t1\nparis\t2\n<rome>\t3\n").With("relation2id.txt", "2\nborders 0\ncapital_of 1\n"),
        "libkge" => folder.With("train.del", "2\t1\t0\n3\t1\t1\n").With("valid.del", "0\t0\t1\n").With("test.del", "1\t0\t0\n")
            .With("entity_ids.del", "0\tfrance\n1\titaly\n2\tparis\n3\trome\n").With("relation_ids.del", "0\tborders\n1\tcapital_of\n"),
        _ => Gzip(Gzip(Gzip(Gzip(Gzip(folder,
            "training/numeric_triples.tsv.gz", "head\trelation\ttail\n2\t1\t0\n3\t1\t1\n"), "validation/numeric_triples.tsv.gz", "head\trelation\ttail\n0\t0\t1\n"),
            "testing/numeric_triples.tsv.gz", "head\trelation\ttail\n1\t0\t0\n"), "training/entity_to_id.tsv.gz", "id\tlabel\n0\tfrance\n1\titaly\n2\tparis\n3\trome\n"),
            "training/relation_to_id.tsv.gz", "id\tlabel\n0\tborders\n1\tcapital_of\n"),
    };

    private static GraphFolder Gzip(GraphFolder folder, string file, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(folder[file])!);
        using var stream = new GZipStream(File.Create(folder[file]), CompressionLevel.Optimal);
        stream.Write(Encoding.UTF8.GetBytes(text));
        return folder;
    }
}
