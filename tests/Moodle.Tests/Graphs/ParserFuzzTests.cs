using System.IO.Compression;
using System.Text;
using Moodle.Graphs;
using Moodle.Graphs.Layouts;
using Moodle.Tests.Support;

namespace Moodle.Tests.Graphs;

/// <summary>Damaged and random bytes in any file of any layout are read or refused, by one line and with bounded memory.</summary>
[TestClass]
public sealed class ParserFuzzTests
{
    private static readonly Dictionary<string, Dictionary<string, string>> s_folders = new()
    {
        ["mkgformer"] = new()
        {
            ["train.tsv"] = "a\tr\tb\r\nb\ts\tc\r\n",
            ["dev.tsv"] = "a\tr\tc\n",
            ["test.tsv"] = "c\tr\ta",
            ["entities.txt"] = "a\nb\nc\n",
            ["entity2text.txt"] = "a\tThe first\n",
            ["entity2textlong.txt"] = "a\tThe \\\"first\\\".\n",
            ["relation2text.txt"] = "r\tis\n",
            ["wordnet-mlj12-definitions.txt"] = "a\t__a_NN_1\tan a\n",
            ["X_SameAsLink.txt"] = "/m/1 <SameAs> <a> .\n",
        },
        ["openke"] = new()
        {
            ["train2id.txt"] = "2\n0 1 0\n1 2 1\n",
            ["valid2id.txt"] = "1\n0 2 0\n",
            ["test2id.txt"] = "1\n2 0 0\n",
            ["entity2id.txt"] = "3\n<a> 0\nb 1\nc 2\n",
            ["relation2id.txt"] = "2\nr 0\ns 1\n",
        },
        ["momok"] = new()
        {
            ["train.txt"] = "<a> r b .\nb s c .\n",
            ["valid.txt"] = "a r c .\n",
            ["test.txt"] = "c r <a> .\n",
            ["entity2id.txt"] = "<a> 0\nb 1\nc 2\n",
            ["relation2id.txt"] = "r 0\ns 1\n",
        },
        ["mygo"] = new() { ["train.txt"] = "0\t0\t1\n1\t1\t2\n", ["valid.txt"] = "0\t0\t2\n", ["test.txt"] = "2\t0\t0\n", ["entities.txt"] = "0\n1\n2\n", ["relations.txt"] = "r\ns\n", ["entity2id.txt"] = "a 0\nb 1\nc 2\n" },
        ["libkge"] = new() { ["train.del"] = "0\t0\t1\n1\t1\t2\n", ["valid.del"] = "0\t0\t2\n", ["test.del"] = "2\t0\t0\n", ["entity_ids.del"] = "0\ta\n1\tb\n2\tc\n", ["relation_ids.del"] = "0\tr\n1\ts\n" },
        ["pykeen"] = new()
        {
            ["training/numeric_triples.tsv.gz"] = "h\tr\tt\n0\t0\t1\n1\t1\t2\n",
            ["validation/numeric_triples.tsv.gz"] = "h\tr\tt\n0\t0\t2\n",
            ["testing/numeric_triples.tsv.gz"] = "h\tr\tt\n2\t0\t0\n",
            ["training/entity_to_id.tsv.gz"] = "id\tlabel\n0\ta\n1\tb\n2\tc\n",
        },
        ["mmkb"] = new() { ["DB_EntityTriples.txt"] = "<a> <r> <b> .\n<b> <s> <c> .\n<c> <r> <a> .\n<a> <r> <c> .\n" },
    };

    [TestMethod]
    [DataRow("mkgformer")]
    [DataRow("openke")]
    [DataRow("momok")]
    [DataRow("mygo")]
    [DataRow("libkge")]
    [DataRow("pykeen")]
    [DataRow("mmkb")]
    public void AnyFileOfALayout_IsReadOrRefused(string layout)
    {
        using var folder = new GraphFolder();
        var files = s_folders[layout];
        foreach (var (file, text) in files)
        {
            folder.With(file, "");
            File.WriteAllBytes(folder[file], Content(file, text));
        }

        var (read, refused) = (0, 0);
        foreach (var (file, text) in files)
        {
            var sound = Content(file, text);
            foreach (var input in Fuzz.Inputs(file.Length, 60, sound))
            {
                File.WriteAllBytes(folder[file], input);
                // Both as recognised and by force, where recognising would look away.
                _ = Fuzz.ReadsOrRefuses(() => folder.Read(), 1000) ? read++ : refused++;
                _ = Fuzz.ReadsOrRefuses(() => GraphAudit.Of(folder.Read(new GraphReadOptions { Layout = layout, Clean = true })), 1000) ? read++ : refused++;
            }

            File.WriteAllBytes(folder[file], sound);
        }

        Assert.AreEqual(layout, folder.Read().Layout);
        Assert.IsGreaterThan(20, refused);
        Assert.IsGreaterThan(5, read);
    }

    [TestMethod]
    public void Columns_AreWhatStandsBetweenBlanks()
    {
        var random = new Random(1);
        for (var i = 0; i < 2000; i++)
        {
            string[] words = [.. Enumerable.Range(0, 3).Select(_ => random.Next(3) switch { 0 => $"<{Word(random)} {Word(random)}>", 1 => $"<{Word(random)}>", _ => Word(random) })];
            var blank = random.Next(2) == 0 ? " " : " \t ";
            var line = string.Join(blank, words) + (random.Next(2) == 0 ? blank + "." : "");
            CollectionAssert.AreEqual(words, LabelTriples.Columns(line), line);
        }

        static string Word(Random random) => string.Concat(Enumerable.Range(0, 1 + random.Next(5)).Select(_ => "abü/#:.,"[random.Next(7)])) + "x";
    }

    [TestMethod]
    public void AVeryLongLine_CostsNoMoreThanItself()
    {
        using var folder = GraphFolder.Small().With("train.tsv", new string('a', 3_000_000) + "\tr\tb\nb\tr\tc\n");
        Assert.IsTrue(Fuzz.ReadsOrRefuses(() => folder.Read(), 3_000_000, 128));
        folder.With("train.tsv", new string('\t', 3_000_000));
        Assert.IsFalse(Fuzz.ReadsOrRefuses(() => folder.Read(), 3_000_000, 128));
    }

    private static byte[] Content(string file, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        if (!file.EndsWith(".gz", StringComparison.Ordinal))
        {
            return bytes;
        }

        using var packed = new MemoryStream();
        using (var stream = new GZipStream(packed, CompressionLevel.Fastest))
        {
            stream.Write(bytes);
        }

        return packed.ToArray();
    }
}
