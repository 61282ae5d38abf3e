using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Attention.Bench;

/// <summary>A line of <c>bench attention</c>.</summary>
/// <param name="Sequence">The sequence's name in the file; else null.</param>
/// <param name="Length">Tokens.</param>
/// <param name="Mode"><c>forward</c> or <c>train</c>.</param>
/// <param name="Implementation">Who computed.</param>
/// <param name="Density">Attended pairs over allowed ones.</param>
/// <param name="Recall">Share of the dense mass on attended pairs, mean over rows.</param>
/// <param name="RecallP5">Its 5th percentile.</param>
/// <param name="RelativeError">Of the output, against dense.</param>
/// <param name="Milliseconds">Median of AnchorAttention.</param>
/// <param name="DenseMilliseconds">Median of dense attention, in turns with the other.</param>
/// <param name="Speedup">Dense over AnchorAttention.</param>
internal sealed record AttentionBenchRow(
    string? Sequence, int Length, string Mode, AttentionImplementation Implementation, double Density, double Recall, double RecallP5, double RelativeError,
    double Milliseconds, double DenseMilliseconds, double Speedup);

/// <summary>Measures AnchorAttention and dense attention in turns.</summary>
/// <param name="options">Options of AnchorAttention.</param>
/// <param name="device">Where to measure.</param>
/// <param name="type">The type of q, k and v; null leaves it as it comes.</param>
/// <param name="train">Whether the gradients of q, k and v belong to it.</param>
/// <param name="progress">Told of every round: what is measured, rounds done, and the most there may be.</param>
/// <param name="cancellation">Looked at between rounds.</param>
internal sealed class AttentionBench(
    AnchorAttentionOptions options, Device device, ScalarType? type, bool train, Action<string, int, int> progress, CancellationToken cancellation)
{
    private const int Least = 5;
    private const int Most = 25;
    private static readonly TimeSpan s_enough = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan s_atOnce = TimeSpan.FromMilliseconds(20);
    private readonly AnchorAttention _attention = new(options);

    /// <summary>Measures one sequence: both once to warm up, then in turns at least 5 times each.</summary>
    public AttentionBenchRow Run(AttentionSequence sequence)
    {
        using var scope = NewDisposeScope();
        var (q, k, v) = sequence.Make(device);
        Tensor Typed(Tensor x) => x.to(type ?? x.dtype);
        (q, k, v) = (Typed(q), Typed(k), Typed(v));
        using var grad = randn(q.shape, device: device).to(q.dtype);
        var (calls, denseCalls) = (CallsAtOnce(_attention.Attend, q, k, v, grad), CallsAtOnce(Dense, q, k, v, grad));
        var task = FormattableString.Invariant($"{sequence.Name} {sequence.Length:N0} tokens").TrimStart();
        var (dense, anchor) = (new List<double>(), new List<double>());
        var total = Stopwatch.StartNew();
        for (var round = -1; round < Least || (round < Most && total.Elapsed < s_enough); round++)
        {
            cancellation.ThrowIfCancellationRequested();
            progress(task, round + 1, Most + 1);
            // Who goes first changes: what else the machine does falls on both.
            double denseTime, anchorTime;
            if (round % 2 == 0)
            {
                denseTime = Time(Dense, q, k, v, grad, denseCalls);
                anchorTime = Time(_attention.Attend, q, k, v, grad, calls);
            }
            else
            {
                anchorTime = Time(_attention.Attend, q, k, v, grad, calls);
                denseTime = Time(Dense, q, k, v, grad, denseCalls);
            }

            if (round >= 0)
            {
                dense.Add(denseTime);
                anchor.Add(anchorTime);
            }
            else
            {
                total.Restart();
            }
        }

        var statistics = _attention.Measure(q, k, v, times: false);
        var (ours, theirs) = (Median(anchor), Median(dense));
        return new AttentionBenchRow(
            sequence.Name, sequence.Length, train ? "train" : "forward", options.Implementation,
            statistics.Density, statistics.Recall, statistics.LowRecall, statistics.RelativeError, ours, theirs, theirs / ours);
    }

    private Tensor Dense(Tensor q, Tensor k, Tensor v) => nn.functional.scaled_dot_product_attention(q, k, v, is_casual: options.Causal);

    // A GPU works on while calls follow each other, as they do in training: waiting after each would measure the wait. No more than that, of either:
    // long calls of the one may leave the other a lower clock.
    private int CallsAtOnce(Func<Tensor, Tensor, Tensor, Tensor> attend, Tensor q, Tensor k, Tensor v, Tensor grad)
    {
        if (device.type == DeviceType.CPU)
        {
            return 1;
        }

        Time(attend, q, k, v, grad, 1); // compiles kernels, chooses among libtorch's
        return (int)Math.Clamp(s_atOnce.TotalMilliseconds / Time(attend, q, k, v, grad, 3), 1, 50);
    }

    // Milliseconds of a call.
    private double Time(Func<Tensor, Tensor, Tensor, Tensor> attend, Tensor q, Tensor k, Tensor v, Tensor grad, int calls)
    {
        using var recorded = set_grad_enabled(train);
        using var leaves = NewDisposeScope();
        Tensor[] inputs = Array.ConvertAll(new[] { q, k, v }, x => x.detach().requires_grad_(train));
        PartTimes.WaitFor(device);
        var watch = Stopwatch.StartNew();
        for (var call = 0; call < calls; call++)
        {
            using var scope = NewDisposeScope();
            var output = attend(inputs[0], inputs[1], inputs[2]);
            if (train)
            {
                autograd.grad([output], inputs, [grad]);
            }
        }

        PartTimes.WaitFor(device);
        return watch.Elapsed.TotalMilliseconds / calls;
    }

    private static double Median(List<double> times)
    {
        times.Sort();
        return (times[(times.Count - 1) / 2] + times[times.Count / 2]) / 2;
    }
}
