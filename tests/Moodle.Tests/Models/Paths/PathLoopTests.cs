using Moodle.Tests.Support;
using static TorchSharp.torch;

namespace Moodle.Tests.Models.Paths;

[TestClass]
public sealed class PathLoopTests
{
    // Sizes that vectors divide and others; columns of less than a thread's share, and of several; a hub, and entities without an edge.
    [NoTensorLeak]
    [DataRow(3, 1, true, false)]
    [DataRow(3, 5, true, true)]
    [DataRow(16, 1, false, false)]
    [DataRow(16, 7, true, false)]
    [DataRow(16, 7, true, true)]
    [DataRow(32, 3, true, false)]
    [DataRow(32, 3, false, true)]
    [DataRow(40, 3, false, false)]
    [DataRow(40, 2, true, true)]
    public void Loops_SayWhatTheOperationsSay_WhateverTheThreads(int size, int queries, bool hides, bool atHeads)
    {
        using var scope = NewDisposeScope();
        manual_seed(7);
        using var graph = PathInputs.Graph(CPU);
        var inputs = new PathInputs(graph.EntityCount, size, queries, atHeads);
        Tensor[] Run(ScalarType type) => inputs.Run(graph, type, type, hides);
        var (expected, actual, again) = (Run(ScalarType.Float64), Run(ScalarType.Float32), Run(ScalarType.Float32));
        var threads = get_num_threads();
        set_num_threads(threads == 1 ? 3 : 1);
        var otherwise = Run(ScalarType.Float32);
        set_num_threads(threads);
        string[] names = ["mean, max, min, std", "states' gradient", "relations' gradient", "queries' gradient"];
        for (var i = 0; i < names.Length; i++)
        {
            Assert.IsTrue(actual[i].equal(again[i]).all().item<bool>(), names[i]);
            Assert.IsTrue(actual[i].equal(otherwise[i]).all().item<bool>(), names[i]);
            var largest = Math.Max(1, expected[i].abs().max().item<double>());
            // A query's own message may be all that its entity gets: the mean's and the deviation's gradient cancel then, and are large.
            Assert.IsLessThan((i == 3 ? 3e-4 : 2e-5) * largest, (actual[i].to(ScalarType.Float64) - expected[i]).abs().max().item<double>(), names[i]);
        }
    }
}
