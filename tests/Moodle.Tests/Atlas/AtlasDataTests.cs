using System.Text;
using Atlas;

namespace Moodle.Tests.Atlas;

/// <summary>The committed files, whatever made them.</summary>
[TestClass]
public sealed class AtlasDataTests
{
    private static AtlasFiles Files => AtlasFiles.Committed;

    [TestMethod]
    public void Sizes_AreThoseThatTheDataSetPromises()
    {
        Assert.IsGreaterThanOrEqualTo(800, Files.Entities.Length);
        Assert.IsGreaterThanOrEqualTo(20, Files.RelationNames.Count);
        Assert.IsGreaterThanOrEqualTo(4000, Files.All.Count());
        Assert.AreEqual(Files.All.Count(), Files.All.Distinct().Count(), "triples occur twice");
    }

    [TestMethod]
    public void Ids_AreUniqueAndAllKnown()
    {
        CollectionAssert.AllItemsAreUnique(Files.Entities);
        CollectionAssert.AreEqual(Files.Entities.Order(StringComparer.Ordinal).ToArray(), Files.Entities);
        var used = Files.All.SelectMany(triple => new[] { triple.Head, triple.Tail }).ToHashSet();
        Assert.IsEmpty(used.Except(Files.Entities), "triples name entities that entities.txt lacks");
        Assert.IsEmpty(Files.Entities.Except(used), "entities are in no triple");
        CollectionAssert.AreEquivalent(Files.RelationNames.Keys, Files.All.Select(triple => triple.Relation).Distinct().ToArray());
        CollectionAssert.AreEquivalent(Schema.CountryCodes.Select(code => "country-" + code).ToArray(), Files.Countries.ToArray());
        Assert.HasCount(195, Schema.CountryCodes);
    }

    [TestMethod]
    public void Entities_HaveNamesAndDescriptions()
    {
        CollectionAssert.AreEquivalent(Files.Entities, Files.Names.Keys);
        CollectionAssert.AreEquivalent(Files.Entities, Files.Descriptions.Keys);
        Assert.IsEmpty(Files.Names.Where(pair => pair.Value.Trim() != pair.Value || pair.Value.Length == 0));
        Assert.IsEmpty(Files.Descriptions.Where(pair => SourceChecks.CountSentences(pair.Value) is < 1 or > 5));
        var twice = Files.Names.GroupBy(pair => (pair.Key.Split('-')[0], pair.Value)).Where(group => group.Count() > 1);
        Assert.IsEmpty(twice, "two entities of a kind share a name");
        Assert.AreEqual(Files.Entities.Length, Files.Descriptions.Values.Distinct().Count(), "two entities share a description");
    }

    [TestMethod]
    [DataRow("A hot, dry land.", 1)]
    [DataRow("It begins in St. Moritz and ends at sea. Boats use it!", 2)]
    [DataRow("Home of J. S. Bach and of 2.5 million people", 0)]
    [DataRow("He said \"go.\" Then 12 left. Was it so?", 3)]
    public void CountSentences_KnowsAbbreviationsAndNumbers(string text, int expected) =>
        Assert.AreEqual(expected, SourceChecks.CountSentences(text));

    [TestMethod]
    public void Borders_AreSymmetric()
    {
        var borders = Files.All.Where(triple => triple.Relation == "borders").Select(triple => (triple.Head, triple.Tail)).ToHashSet();
        Assert.IsGreaterThan(500, borders.Count);
        Assert.IsEmpty(borders.Where(pair => !borders.Contains((pair.Tail, pair.Head)) || pair.Head == pair.Tail));
    }

    [TestMethod]
    public void Countries_HaveWhatEveryCountryHas()
    {
        foreach (var relation in new[] { "part_of_subregion", "official_language", "has_currency", "has_government", "drives_on" })
        {
            var have = Files.All.Where(triple => triple.Relation == relation).Select(triple => triple.Head).ToHashSet();
            Assert.IsEmpty(Files.Countries.Except(have), $"countries without {relation}");
        }

        var withCapital = Files.All.Where(triple => triple.Relation == "capital_of").Select(triple => triple.Tail).ToHashSet();
        Assert.IsEmpty(Files.Countries.Except(withCapital), "countries without a capital");
    }

    [TestMethod]
    public void Facts_KnownToEverybody_AreThere()
    {
        var all = Files.All.ToHashSet();
        Assert.Contains(("city-paris", "capital_of", "country-fr"), all);
        Assert.Contains(("country-br", "official_language", "language-portuguese"), all);
        Assert.Contains(("country-jp", "drives_on", "traffic-left"), all);
        Assert.Contains(("river-danube", "flows_into", "sea-black"), all);
        Assert.Contains(("country-fr", "borders", "country-sr"), all);
        Assert.DoesNotContain(("country-gb", "member_of", "org-eu"), all);
        Assert.DoesNotContain(("city-paris", "located_in", "country-fr"), all);
    }

    [TestMethod]
    public void Pictures_AreTheFlagsOfCountriesAndNothingElse()
    {
        var folders = Directory.GetFileSystemEntries(AtlasFiles.Path("images")).Select(Path.GetFileName).ToArray();
        CollectionAssert.AreEquivalent(Files.Countries.ToArray(), folders);
        foreach (var country in Files.Countries)
        {
            var files = Directory.GetFiles(AtlasFiles.Path("images", country));
            Assert.AreEqual("flag.png", Path.GetFileName(files.Single()));
            var flag = Raster.FromPng(files[0]);
            Assert.IsLessThanOrEqualTo(256, Math.Max(flag.Width, flag.Height), country);
            Assert.IsLessThanOrEqualTo(4096, new FileInfo(files[0]).Length, country);
            Assert.IsGreaterThan(1, flag.Pixels.Chunk(3).Select(pixel => (pixel[0], pixel[1], pixel[2])).Distinct().Count(), country);
        }
    }

    [TestMethod]
    public void Flags_DifferFromEachOther()
    {
        // Indonesia and Monaco differ by their proportions, Chad and Romania by a shade.
        var flags = Files.Countries.GroupBy(country => Convert.ToHexString(File.ReadAllBytes(AtlasFiles.Path("images", country, "flag.png"))));
        Assert.IsEmpty(flags.Where(group => group.Count() > 1).Select(group => string.Join(' ', group)));
    }

    [TestMethod]
    public void Splits_HaveTheirShares()
    {
        var count = (double)Files.All.Count();
        Assert.AreEqual(0.8, Files.Train.Length / count, 0.01);
        Assert.AreEqual(0.1, Files.Validation.Length / count, 0.01);
        Assert.AreEqual(0.1, Files.Test.Length / count, 0.01);
        foreach (var relation in Files.RelationNames.Keys)
        {
            var (train, all) = (Files.Train.Count(triple => triple.Relation == relation), Files.All.Count(triple => triple.Relation == relation));
            Assert.IsGreaterThan(0.7, train / (double)all, relation);
        }
    }

    [TestMethod]
    public void Splits_ShareNoPairOfEntities()
    {
        static HashSet<(string, string)> Pairs(IEnumerable<(string Head, string Relation, string Tail)> triples) =>
            [.. triples.Select(triple => string.CompareOrdinal(triple.Head, triple.Tail) < 0 ? (triple.Head, triple.Tail) : (triple.Tail, triple.Head))];
        var (train, validation, test) = (Pairs(Files.Train), Pairs(Files.Validation), Pairs(Files.Test));
        Assert.IsEmpty(validation.Intersect(train));
        Assert.IsEmpty(test.Intersect(train));
        Assert.IsEmpty(test.Intersect(validation));
    }

    [TestMethod]
    public void Entities_OfValidationAndTest_OccurInTraining_ButForTheNamedHandful()
    {
        static IEnumerable<string> Entities(IEnumerable<(string Head, string Relation, string Tail)> triples) =>
            triples.SelectMany(triple => new[] { triple.Head, triple.Tail }).Distinct();
        var train = Entities(Files.Train).ToHashSet();
        Assert.IsEmpty(Entities(Files.Validation).Except(train));
        CollectionAssert.AreEquivalent(Splitter.UnseenEntities, Entities(Files.Test).Except(train).ToArray());
        var readme = File.ReadAllText(AtlasFiles.Path("README.md"));
        Assert.IsEmpty(Splitter.UnseenEntities.Where(entity => !readme.Contains($"`{entity}`", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void TextFiles_AreUtf8WithPlainLineEnds()
    {
        foreach (var name in new[] { "train.tsv", "dev.tsv", "test.tsv", "entities.txt", "entity2text.txt", "entity2textlong.txt", "relation2text.txt" })
        {
            var text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(File.ReadAllBytes(AtlasFiles.Path(name)));
            Assert.DoesNotContain("\r", text, name);
            Assert.EndsWith("\n", text, name);
            Assert.AreEqual(text.Normalize(), text, $"{name} is not in normal form C");
        }
    }
}
