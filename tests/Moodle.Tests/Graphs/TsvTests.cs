using Moodle.Graphs;

namespace Moodle.Tests.Graphs;

[TestClass]
public sealed class TsvTests
{
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    public void WhatIsWrittenIsReadBack(int seed)
    {
        using var folder = new GraphFolder();
        var random = new Random(seed);
        const string Alphabet = "ab \"',;\\#ßé漢😀{}|";
        string Field() => "x" + string.Concat(Enumerable.Range(0, random.Next(9)).Select(_ => Alphabet.EnumerateRunes().ElementAt(random.Next(16)).ToString()));
        var rows = Enumerable.Range(0, 500).Select(_ => new[] { Field(), Field(), Field() }).ToArray();

        Tsv.Write(folder["t.tsv"], rows);
        var read = Tsv.Read(folder["t.tsv"], "a", "b", "c").ToArray();

        CollectionAssert.AreEqual(rows.SelectMany(row => row).ToArray(), read.SelectMany(row => row.Fields).ToArray());
        CollectionAssert.AreEqual(Enumerable.Range(1, 500).Select(line => (long)line).ToArray(), read.Select(row => row.Line).ToArray());
        Assert.HasCount(1, Directory.GetFiles(folder.Path));
    }

    [TestMethod]
    public void AFieldThatTheFormatCannotCarryIsRefusedAndTheOldFileStays()
    {
        using var folder = new GraphFolder().With("t.tsv", "old");

        Assert.ThrowsExactly<InputException>(() => Tsv.Write(folder["t.tsv"], [["a\tb"]]));

        Assert.AreEqual("old", File.ReadAllText(folder["t.tsv"]));
        Assert.HasCount(1, Directory.GetFiles(folder.Path));
    }
}
