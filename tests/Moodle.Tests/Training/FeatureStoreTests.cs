using Moodle.Models;
using Moodle.Tests.Support;
using Moodle.Training;
using static TorchSharp.torch;

namespace Moodle.Tests.Training;

[TestClass]
public sealed class FeatureStoreTests
{
    [TestMethod]
    public void Features_AreReadForTheirKeyOnly()
    {
        using var folder = TestData.NewFolder();
        using var scope = NewDisposeScope();
        var values = arange(6, dtype: ScalarType.Float32).view(3, 2);
        FeatureStore.Write(folder["text.safetensors"], "a", new EntityFeatures(values, [4, 0, 2], 5), [4, 0, 2], new Dictionary<string, Tensor> { ["encoder.weight"] = ones(1) });

        Assert.IsNull(FeatureStore.Read(folder["text.safetensors"], "b", 5), "another key");
        Assert.IsNull(FeatureStore.Read(folder["image.safetensors"], "a", 5), "no file");
        foreach (var key in new[] { "a", null })
        {
            var read = FeatureStore.Read(folder["text.safetensors"], key, 5)!;
            Assert.IsTrue(read.Values.equal(values).all().item<bool>());
            Assert.AreEqual(3, read.Present);
            CollectionAssert.AreEqual(new[] { 1f, 0, 1, 0, 1 }, read.Available.data<float>().ToArray());
        }
    }

    [TestMethod]
    public void Key_ChangesWithEveryInputAndItsPlace()
    {
        string[] keys = [FeatureStore.KeyOf(["a", "b"]), FeatureStore.KeyOf(["ab", ""]), FeatureStore.KeyOf(["b", "a"]), FeatureStore.KeyOf(["a"]), FeatureStore.KeyOf(["a", "c"])];
        Assert.HasCount(keys.Length, keys.Distinct());
        Assert.AreEqual(keys[0], FeatureStore.KeyOf(["a", "b"]));
    }

    [TestMethod]
    public void Cache_SparesTheEncodeStagesAndChangesNothing()
    {
        using var graph = new TinyGraph();
        using var cache = new OwnCache(graph["cache"]);
        Assert.IsFalse(TookFromCache("first"));
        Assert.IsTrue(TookFromCache("second"));
        Assert.IsFalse(TookFromCache("third", "text.encoder.layers=2", "image.encoder.layers=2"), "other options, other features");
        Assert.AreEqual(Results("first"), Results("second"));

        bool TookFromCache(string run, params string[] sets)
        {
            var heard = new Heard();
            Trainer.Start(graph.Config(["data.cache=true", .. sets]), graph[run], new(), heard, CancellationToken.None);
            var taken = heard.Messages.Count(message => message.Contains("taken from the cache", StringComparison.Ordinal));
            Assert.AreEqual(taken == 0, heard.Messages.Any(message => message.StartsWith("encode text 1/", StringComparison.Ordinal)));
            return taken == 2;
        }

        string Results(string run) => TrainerTests.Metrics(File.ReadAllText(Path.Combine(graph[run], "results.json")));
    }
}
