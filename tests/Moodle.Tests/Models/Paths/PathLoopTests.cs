using Moodle.Models.Paths;
using Moodle.Tests.Support;
using static TorchSharp.torch;

namespace Moodle.Tests.Models.Paths;

[TestClass]
public sealed class PathLoopTests
{
    private const int Relations = 5;

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
        using var graph = PathKernelTests.Graph(CPU);
        // Numbers of bfloat16, whose products float32 holds: messages are the same in both types, and so are ties.
        Tensor Draw(params long[] shape) => randn(shape).to(ScalarType.BFloat16).to(ScalarType.Float32);
        var (states, relations, query) = (Draw(graph.EntityCount, queries, size), Draw(2 * Relations, queries, size), Draw(queries, size));
        // Entities that no message reached yet: zeros, which tie with the messages to all but the heads.
        states.narrow(0, 100, 40).zero_();
        var heads = randint(graph.EntityCount, [queries], ScalarType.Int64);
        heads.narrow(0, 0, 1).zero_(); // the hub asks too
        var rows = (heads * queries) + arange(queries);
        if (atHeads)
        {
            var drawn = states.view(-1, size).index_select(0, rows);
            states.zero_();
            states.view(-1, size).index_copy_(0, rows, drawn);
        }

        var (a, b) = (randint(graph.EntityCount, [40], ScalarType.Int64), zeros(40, ScalarType.Int64));
        var hidden = hides ? graph.Hide(a, zeros_like(a), b) : null;
        var gradient = Draw(graph.EntityCount, queries, 4 * size);

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

        Tensor[] Run(ScalarType type)
        {
            Tensor[] inputs = [.. new[] { states, relations, query }.Select(input => input.to(type).detach().clone().requires_grad_())];
            var result = PathAggregation.Aggregate(inputs[0], inputs[1], inputs[2], heads, graph, hidden, atHeads);
            autograd.backward([result], [gradient.to(type)]);
            var toStates = inputs[0].grad!;
            return [result.detach(), atHeads ? toStates.view(-1, size).index_select(0, rows) : toStates, inputs[1].grad!, inputs[2].grad!];
        }
    }
}
