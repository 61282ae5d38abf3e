using Moodle.Configuration;
using Moodle.Runtime;
using Moodle.Training;
using static TorchSharp.torch;

namespace Moodle.Tests.Training;

[TestClass]
public sealed class FrozenFeaturesTests
{
    private static readonly string[] s_short = ["data.cache=true", "training.unimodal.epochs=1", "training.fusion.epochs=1", "training.refit.epochs=0"];

    [TestMethod]
    public void Train_TakesWhatEncodeWrote() => WithCache((graph, sets) =>
    {
        var heard = new Heard();
        var stores = FeatureEncoding.Run(graph.Config([.. sets, .. s_short]), null, heard, CancellationToken.None);
        CollectionAssert.AreEqual(new[] { (Modality.Text, 60, 8), (Modality.Image, 30, 8) }, stores.Select(store => (store.Modality, store.Entities, store.Size)).ToArray());
        Assert.IsTrue(heard.Messages.Any(message => message.StartsWith("encode image: 120 pictures of 30 entities", StringComparison.Ordinal)), string.Join('\n', heard.Messages));
        var (first, second) = (Train(graph, [.. sets, .. s_short], out var taken), Train(graph, [.. sets, .. s_short, "data.cache=false"], out var made));
        Assert.AreEqual(2, taken.Messages.Count(message => message.Contains("taken from the cache", StringComparison.Ordinal)));
        Assert.IsFalse(made.Messages.Any(message => message.Contains("taken from the cache", StringComparison.Ordinal)));
        Assert.AreEqual(first, second);
    });

    [TestMethod]
    public void EveryKey_ChangesFeatures() => WithCache((graph, sets) =>
    {
        string[] longer = [.. sets, "text.document.max_tokens=60", "text.encoder.pretrained.interpolate=true"];
        string[][] variants =
        [
            sets,
            [.. sets, "image.encoder.pretrained.pooling=mean"],
            [.. sets, "image.encoder.pretrained.pictures=max"],
            [.. sets, "image.encoder.pretrained.pictures=attention"],
            [.. sets, "image.max_pictures=2"],
        ];
        Assert.HasCount(variants.Length, variants.Select(variant => Values(graph, variant, Modality.Image)).Distinct().ToArray());
        variants = [sets, [.. sets, "text.encoder.pretrained.pooling=cls"], [.. sets, "text.document.max_tokens=9"], longer, [.. sets, $"text.encoder.pretrained.path={TinyEncoders.Text(graph["other"], 31)}"]];
        Assert.HasCount(variants.Length, variants.Select(variant => Values(graph, variant, Modality.Text)).Distinct().ToArray());
        var refused = Assert.ThrowsExactly<InputException>(() => Values(graph, [.. sets, "text.document.max_tokens=60"], Modality.Text));
        Assert.StartsWith("text.document.max_tokens: is 60, but bert (", refused.Message);
        Assert.Contains("has 30 positions", refused.Message);
    });

    [TestMethod]
    public void StoppedInTheMiddle_GoesOn() => WithCache((graph, sets) =>
    {
        string[] image = [.. sets, "modalities=structure,image"];
        var whole = Values(graph, image, Modality.Image);
        Directory.Delete(graph["cache"], recursive: true);
        using var stop = new CancellationTokenSource();
        Assert.ThrowsExactly<OperationCanceledException>(() => FeatureEncoding.Run(graph.Config(image), null, new Heard(_ => stop.Cancel()), stop.Token));
        Assert.HasCount(1, Directory.GetFiles(graph["cache"], "*.partial", SearchOption.AllDirectories));
        var heard = new Heard();
        Assert.AreEqual(whole, Values(graph, image, Modality.Image, heard));
        Assert.IsTrue(heard.Messages.Any(message => message.StartsWith("encode image: going on after 8 of 30 entities", StringComparison.Ordinal)), string.Join('\n', heard.Messages));
        Assert.IsEmpty(Directory.GetFiles(graph["cache"], "*.partial", SearchOption.AllDirectories));
    });

    [TestMethod]
    public void BrokenPictures_AreCountedAndLeftOut() => WithCache((graph, sets) =>
    {
        var folder = Path.GetDirectoryName(graph.PictureOf(4))!;
        foreach (var file in Directory.GetFiles(folder))
        {
            File.WriteAllText(file, "no picture");
        }

        File.WriteAllBytes(graph.PictureOf(6), File.ReadAllBytes(graph.PictureOf(6))[..^40]);
        var heard = new Heard();
        var store = FeatureEncoding.Run(graph.Config(sets), Modality.Image, heard, CancellationToken.None).Single();
        Assert.AreEqual(29, store.Entities);
        Assert.IsTrue(heard.Messages.Any(message => message.EndsWith("; 5 unreadable", StringComparison.Ordinal)), string.Join('\n', heard.Messages));
        Assert.HasCount(5, heard.Messages.Where(message => message.Contains("left out, not a readable picture", StringComparison.Ordinal)).ToArray());
    });

    [TestMethod]
    public void WhatCannotBeEncoded_IsSaid() => WithCache((graph, sets) =>
    {
        string Problem(Modality? only, params string[] more) =>
            Assert.ThrowsExactly<InputException>(() => FeatureEncoding.Run(graph.Config([.. sets, .. more]), only, new Heard(), CancellationToken.None)).Message;
        Assert.StartsWith("data.cache: is false", Problem(null, "data.cache=false"));
        Assert.StartsWith("text.encoder.pretrained.path: is not set", Problem(Modality.Text, "modalities=structure,image"));
        Assert.Contains("neither is set", Problem(null, "modalities=structure"));
        Assert.StartsWith("image.encoder.pretrained.path: there is no file or folder 'nowhere'", Problem(null, "image.encoder.pretrained.path=nowhere"));
    });

    private static void WithCache(Action<TinyGraph, string[]> test)
    {
        using var graph = new TinyGraph();
        var random = new Random(5);
        for (var town = 0; town < TinyGraph.Entities; town += 2)
        {
            // Four pictures of each town, of other towns.
            foreach (var i in Enumerable.Range(1, 3))
            {
                File.Copy(graph.PictureOf(2 * random.Next(TinyGraph.Entities / 2)), Path.Combine(Path.GetDirectoryName(graph.PictureOf(town))!, $"{i}.png"));
            }
        }

        string[] sets =
        [
            "data.cache=true", $"text.document.max_tokens={TinyEncoders.Positions}", $"text.encoder.pretrained.path={TinyEncoders.Text(graph["bert"])}",
            $"image.encoder.pretrained.path={TinyEncoders.Image(graph["vit"])}",
        ];
        var before = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        Environment.SetEnvironmentVariable("XDG_CACHE_HOME", graph["cache"]);
        try
        {
            test(graph, sets);
        }
        finally
        {
            Environment.SetEnvironmentVariable("XDG_CACHE_HOME", before);
        }
    }

    private static string Values(TinyGraph graph, string[] sets, Modality modality, Heard? heard = null)
    {
        var store = FeatureEncoding.Run(graph.Config(sets), modality, heard ?? new Heard(), CancellationToken.None).Single().Store;
        using var scope = NewDisposeScope();
        using var file = Safetensors.Open(store);
        return string.Join(' ', file.Read("features").data<float>());
    }

    private static string Train(TinyGraph graph, string[] sets, out Heard heard)
    {
        heard = new Heard();
        Trainer.Start(graph.Config(sets), graph["run"], new() { Force = true }, heard, CancellationToken.None);
        return TrainerTests.Metrics(File.ReadAllText(Path.Combine(graph["run"], "results.json")));
    }
}
