using System.Text;
using System.Text.RegularExpressions;
using Atlas;
using Moodle.Tests.Support;

namespace Moodle.Tests.Atlas;

/// <summary>The program that makes the files out of the tables.</summary>
[TestClass]
public sealed partial class AtlasBuilderTests
{
    private static readonly Lazy<AtlasBuild> Built = new(() => new AtlasBuild(AtlasFiles.Path("source")));

    [TestMethod]
    public void Tables_AreConsistent() => Assert.IsEmpty(Built.Value.Problems.Errors);

    [TestMethod]
    public void TextFiles_AreCommittedToTheByte()
    {
        foreach (var (name, text) in Built.Value.TextFiles())
        {
            Assert.IsTrue(
                Encoding.UTF8.GetBytes(text).AsSpan().SequenceEqual(File.ReadAllBytes(AtlasFiles.Path(name))),
                $"{name} differs from what the tables give; run the builder");
        }

        var readme = File.ReadAllText(AtlasFiles.Path("README.md"));
        Assert.AreEqual(Built.Value.FillReadme(readme), readme, "the counts in README.md are old; run the builder");
    }

    [TestMethod]
    public void Flags_AreCommittedToThePixel()
    {
        foreach (var code in Built.Value.Flags.Codes)
        {
            var committed = Raster.FromPng(AtlasFiles.Path("images", "country-" + code, "flag.png"));
            Assert.IsTrue(Built.Value.Flags.Draw(code).SamePixels(committed), $"the flag of {code} differs from its drawing; run the builder");
        }
    }

    [TestMethod]
    public void Write_WritesTheWholeDataSet()
    {
        using var folder = TestData.NewFolder();
        Built.Value.Write(folder.Path);
        foreach (var (name, text) in Built.Value.TextFiles())
        {
            Assert.AreEqual(text, File.ReadAllText(folder[name]));
        }

        Assert.HasCount(195, Directory.GetFiles(folder["images"], "flag.png", SearchOption.AllDirectories));
        Assert.IsEmpty(Directory.GetFiles(folder.Path, "*.new", SearchOption.AllDirectories));
    }

    [TestMethod]
    [DataRow("countries-*.csv", ",es;fr,", ",es,", "country-fr borders country-ad, but")]
    [DataRow("countries-*.csv", ",city-andorra-la-vella,", ",,", "country-ad: capitals is empty")]
    [DataRow("countries-*.csv", ",city-andorra-la-vella,", ",city-paris,", "the capital city-paris lies in country-fr")]
    [DataRow("countries-*.csv", "language-catalan", "language-klingon", "languages names language-klingon, which stands in no table")]
    [DataRow("countries-*.csv", "language-catalan", "language-catalan;language-catalan", "languages names language-catalan twice")]
    [DataRow("countries-*.csv", "language-catalan", "currency-eur", "expected the id of a language")]
    [DataRow("countries-*.csv", "\nad,", "\nxx,", "country ad is missing")]
    [DataRow("countries-*.csv", "\nad,", "\nfr,", "country-fr stands already at")]
    [DataRow("rivers.csv", "river-thames,Thames", "river-thames,Seine", "has the name 'Seine' of")]
    [DataRow("rivers.csv", "river-thames,", "thames,", "'thames' is no id of the form river-")]
    [DataRow("rivers.csv", "id,name,", "name,id,", "the header must read id,name,countries,mouth,description")]
    [DataRow("rivers.csv", "river-thames,Thames", "river-thames,Thames,Isis", "6 cells, expected 5")]
    [DataRow("flags.csv", "\nfr,", "\nyy,", "country-fr has no flag")]
    [DataRow("flags.csv", "| v #000091", "| w #000091", "there is no stroke 'w'")]
    [DataRow("flags.csv", "| v #000091", "| v #91", "'#91' is no colour")]
    public void Mistakes_AreNamedWithFileAndLine(string file, string from, string to, string expected)
    {
        using var folder = TestData.NewFolder();
        var edited = 0;
        foreach (var path in Directory.GetFiles(AtlasFiles.Path("source"), "*.csv"))
        {
            var text = File.ReadAllText(path);
            var fits = System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(file, Path.GetFileName(path));
            var at = fits && edited == 0 ? text.IndexOf(from, StringComparison.Ordinal) : -1;
            edited += at < 0 ? 0 : 1;
            File.WriteAllText(folder[Path.GetFileName(path)], at < 0 ? text : text[..at] + to + text[(at + from.Length)..]);
        }

        Assert.AreEqual(1, edited, $"'{from}' is not in the tables any more; mend this test");
        var problems = new AtlasBuild(folder.Path).Problems.Errors;
        var named = problems.FirstOrDefault(problem => problem.Text.Contains(expected, StringComparison.Ordinal));
        Assert.IsNotNull(named, string.Join('\n', problems));
        StringAssert.Matches(named.ToString(), PlaceAndText());
    }

    [TestMethod]
    public void Split_IsTheSameWhateverTheOrder()
    {
        var triples = AtlasFiles.Committed.All.Select(triple => new AtlasTriple(triple.Head, triple.Relation, triple.Tail)).ToList();
        new SplitMix64(1).Shuffle(triples);
        CollectionAssert.AreEqual(Built.Value.Splits.Test, Splitter.Split(triples).Test);
    }

    [TestMethod]
    public void Generator_GivesThePublishedSequence()
    {
        var random = new SplitMix64(1234567);
        CollectionAssert.AreEqual(
            new[] { 6457827717110365317UL, 3203168211198807973UL, 9817491932198370423UL },
            new[] { random.Next(), random.Next(), random.Next() });
    }

    [GeneratedRegex(@"^[a-z*-]+\.csv:[1-9]\d*: .+")]
    private static partial Regex PlaceAndText();
}
