using Moodle.Graphs;

namespace Moodle.Tests.Graphs;

[TestClass]
public sealed class TextsAndPicturesTests
{
    [TestMethod]
    public void MoSeNamesAndDescriptions_AreCleaned()
    {
        using var folder = GraphFolder.Small()
            .With("ent_name.txt", "paris\tParis_of_France\nrome\tRome\n")
            .With("ent_dscp.txt", "paris\t\"A \\\"city\\\".\"@en\nrome\ta\tb\nitaly\t  \n")
            .With("entity2text.txt", "rome\tRoma\n");

        var graph = folder.Read();

        CollectionAssert.AreEqual(new[] { "Paris of France", null, "Roma", null }, graph.GivenNames, "entity2text.txt comes first, others fill in");
        CollectionAssert.AreEqual(new[] { "A \"city\".", null, "a b", null }, graph.Descriptions);
    }

    [TestMethod]
    public void WordNetDefinitions_GiveNamesAndDescriptions()
    {
        using var folder = new GraphFolder().With("train.txt", "00001740\t_hyponym\t00002137\n").With("valid.txt", "").With("test.txt", "00002137\t_hypernym\t00001740\n")
            .With("wordnet-mlj12-definitions.txt", "00001740\t__baby_animal_NN_1\tthe young of an animal\n99999999\t__x_NN_1\tnone of ours\n");

        var graph = folder.Read();

        Assert.AreEqual(("baby animal", "the young of an animal"), (graph.EntityNames[0], graph.Descriptions[0]));
        Assert.IsNull(graph.GivenNames[1]);
    }

    [TestMethod]
    public void UrisInBrackets_MeetTheirTextsBetweenTabsToo()
    {
        using var folder = new GraphFolder().With("train.txt", "<http://x/a>\t<http://r>\t<http://x/b>\n").With("valid.txt", "").With("test.txt", "<http://x/b>\t<http://r>\thttp://x/a\n")
            .With("entity2text.txt", "<http://x/a>\tA\nhttp://x/b\tB\n");

        CollectionAssert.AreEqual(new[] { "A", "B" }, folder.Read().GivenNames);
    }

    [TestMethod]
    public void ATextWithoutATab_IsNamed()
    {
        using var folder = GraphFolder.Small().With("entity2textlong.txt", "paris\tA city.\nrome A city.\n");

        Assert.AreEqual("entity2textlong.txt:2: found 1 column, expected 2; a line is tab separated: entity, description", folder.Refusal());
    }

    [TestMethod]
    public void Links_LeadToTheTextsAndPicturesOfAnotherDataSet()
    {
        using var root = new GraphFolder();
        foreach (var (file, text) in new[]
        {
            ("DB15K/train2id.txt", "2\n0 1 0\n2 1 0\n"), ("DB15K/valid2id.txt", "0\n"), ("DB15K/test2id.txt", "1\n1 0 0\n"),
            ("DB15K/entity2id.txt", "3\n<http://x/Paris> 0\n<http://x/France> 1\n<http://x/Rome> 2\n"), ("DB15K/relation2id.txt", "1\n<http://x/in> 0\n"),
            ("DB15K/DB15K_SameAsLink.txt", "/m/0p <SameAs> <http://x/Paris> .\n/m/0f <SameAs> <http://x/France> .\n/m/0z <SameAs> <http://x/Elsewhere> .\n"),
            ("DB15K/images/x/1.png", ""),
            ("fb15k-other/entity2text.txt", "/m/0p\tParis, France\n"),
            ("FB15K-237/entity2text.txt", "/m/0p\tParis\n/m/0f\tFrance\n"), ("FB15K-237/entity2textlong.txt", "/m/0f\tA country.\n"),
            ("FB15K-237/images/m.0p/1.jpg", ""), ("FB15K-237/images/m.0p/2.jpg", ""),
        })
        {
            root.With(file, text);
        }

        var graph = GraphReader.Read(root["DB15K"]);
        CollectionAssert.AreEqual(new[] { "Paris", "France", null }, graph.GivenNames);
        CollectionAssert.AreEqual(new[] { null, "A country.", null }, graph.Descriptions);
        CollectionAssert.AreEqual(new[] { 2, 0, 0 }, graph.Images.Select(paths => paths.Length).ToArray());
        Assert.AreEqual($"through DB15K_SameAsLink.txt, {root["FB15K-237"]} gives 2 entities their texts and 1 their pictures", graph.Notes.Single());

        var other = GraphReader.Read(root["DB15K"], new GraphReadOptions { LinksTo = root["fb15k-other"] });
        CollectionAssert.AreEqual(new[] { "Paris, France", null, null }, other.GivenNames);
        Assert.Contains("data.links_to must name", Assert.ThrowsExactly<InputException>(() => GraphReader.Read(root["DB15K"], new GraphReadOptions { LinksTo = root["none"] })).Message);

        Directory.Delete(root["fb15k-other"], recursive: true);
        Directory.Delete(root["FB15K-237"], recursive: true);
        Assert.Contains("is not followed", GraphReader.Read(root["DB15K"]).Notes.Single());
        root.With("DB15K/DB15K_SameAsLink.txt", "/m/0p <SameAs>\n");
        Assert.Contains("DB15K_SameAsLink.txt:1: found 2 columns, expected 3", Assert.ThrowsExactly<InputException>(() => GraphReader.Read(root["DB15K"])).Message);
    }

    [TestMethod]
    public void PicturesLieInAnyOfTheKnownFolders_InOrBesideTheDataSet()
    {
        using var root = new GraphFolder()
            .With("set/train.tsv", "/m/0a\tr\t00001740\nb\tr\thttp://x/c\n").With("set/dev.tsv", "").With("set/test.tsv", "b\tr\t/m/0a\n")
            .With("FB15k-images/m.0a/google_2.jpg", "").With("FB15k-images/m.0a/google_1", "").With("FB15k-images/m.0a/list.txt", "")
            .With("set/WN18-images/n00001740/n00001740_1.JPEG", "").With("set/images/b/1.avif", "").With("set/images/b/.hidden.png", "")
            .With("set/images/http%3A%2F%2Fx%2Fc/1.tif", "").With("images/b/none of the set's.png", "");

        var graph = GraphReader.Read(root["set"]);

        string[] Files(string entity) => graph.Entities.TryGetId(entity, out var id) ? [.. graph.Images[id].Select(Path.GetFileName)!] : [];
        CollectionAssert.AreEqual(new[] { "google_1", "google_2.jpg" }, Files("/m/0a"));
        CollectionAssert.AreEqual(new[] { "n00001740_1.JPEG" }, Files("00001740"));
        CollectionAssert.AreEqual(new[] { "1.avif" }, Files("b"));
        CollectionAssert.AreEqual(new[] { "1.tif" }, Files("http://x/c"));
    }
}
