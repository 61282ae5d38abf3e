using Moodle.Tests.Support;
using Moodle.Training;

namespace Moodle.Tests.Training;

[TestClass]
public sealed class PathCacheTests
{
    [TestMethod]
    public void Paths_AreTrainedOnceForAllThatChangesNothingOfThem()
    {
        using var graph = new TinyGraph();
        using var cache = new OwnCache(graph["cache"]);
        Assert.IsFalse(TookFromCache("first"));
        Assert.IsTrue(TookFromCache("second"));
        Assert.AreEqual(Results("first"), Results("second"));
        Assert.IsTrue(TookFromCache("other branches", "structure.rank=3", "training.unimodal.epochs=1", "contrast.enabled=false"));
        Assert.IsFalse(TookFromCache("other paths", "paths.layers=1"));
        Assert.IsFalse(TookFromCache("other seed", "seed=2"));
        Assert.IsFalse(TookFromCache("other triples held out", "fusion.hold_out=0.3"));
        Assert.IsFalse(TookFromCache("no cache", "data.cache=false"));

        bool TookFromCache(string run, params string[] sets)
        {
            var heard = new Heard();
            string[] paths = ["modalities=structure", "data.cache=true", "paths.enabled=true", "paths.hidden_size=4", "paths.layers=2", "paths.epochs=1", "paths.batch_size=200"];
            Trainer.Start(graph.Config([.. paths, .. sets]), graph[run], new(), heard, CancellationToken.None);
            var taken = heard.Messages.Any(message => message.StartsWith("paths: taken from the cache", StringComparison.Ordinal));
            Assert.AreNotEqual(taken, heard.Messages.Any(message => message.StartsWith("paths 1/", StringComparison.Ordinal)));
            return taken;
        }

        string Results(string run) => TrainerTests.Metrics(File.ReadAllText(Path.Combine(graph[run], "results.json")));
    }
}
