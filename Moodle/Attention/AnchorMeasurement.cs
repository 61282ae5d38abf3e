using System.Diagnostics;
using Moodle.Attention.Cuda;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Attention;

/// <summary>Sums up what the blocked path does to several sequences, beside dense attention.</summary>
/// <param name="options">Options.</param>
/// <param name="device">Where the tensors are.</param>
/// <param name="times">Whether times are measured, of one pass forward and one backward.</param>
internal sealed class AnchorMeasurement(AnchorAttentionOptions options, Device device, bool times)
{
    private const int RowsAtOnce = 1024;
    private readonly PartTimes _forward = new(device);
    private readonly PartTimes _backward = new(device);
    private readonly List<float> _recalls = [];
    private TimeSpan _denseForward;
    private TimeSpan _denseBackward;
    private double _attended;
    private double _allowed;
    private double _error;
    private double _norm;

    /// <summary>Adds a sequence.</summary>
    /// <param name="q">[heads, n, d].</param>
    /// <param name="k">[heads, n, d].</param>
    /// <param name="v">[heads, n, d].</param>
    /// <param name="sparse">Whether it takes the blocked path; else it is dense and nothing is lost.</param>
    public void Add(Tensor q, Tensor k, Tensor v, bool sparse)
    {
        using var none = no_grad();
        using var scope = NewDisposeScope();
        (q, k, v) = (q.detach().contiguous(), k.detach().contiguous(), v.detach().contiguous());
        if (!sparse)
        {
            AddDense(q, k, v);
            return;
        }

        var (output, logSum) = Kernels.Of(q.unsqueeze(0), [(int)q.shape[1]], options) is { } kernels ? Run(kernels, q, k, v) : Run(q, k, v);

        // The mass on attended keys is the ratio of the normalisers.
        _recalls.AddRange((logSum - DenseLogSum(q, k, v)).exp().to(float32).flatten().cpu().data<float>());
        var dense = times ? TimeDense(q, k, v, output) : Dense(q, k, v);
        var type = PartialAttention.SumType(q.dtype);
        _error += (output.to(type) - dense.to(type)).square().sum().ToDouble();
        _norm += dense.to(type).square().sum().ToDouble();
    }

    // Output and row normalisers; forward and, if times are measured, backward.
    private (Tensor Output, Tensor LogSum) Run(Tensor q, Tensor k, Tensor v)
    {
        var result = StripeAttention.Forward(q, k, v, options, _forward);
        AddPairs(result.Stripes, (int)q.shape[0], (int)q.shape[1]);
        if (times)
        {
            StripeAttention.Backward(result.Output, q, k, v, result, options, _backward);
        }

        return (result.Output, result.LogSum);
    }

    private (Tensor Output, Tensor LogSum) Run(Kernels kernels, Tensor q, Tensor k, Tensor v)
    {
        var attention = kernels.Attention;
        var selection = attention.Select(q, k, v, _forward);
        _attended += kernels.AttendedPairs(attention.CountStripes(k, selection), out var allowed);
        _allowed += allowed;
        var output = attention.Finish(q, k, v, selection, _forward);
        if (times)
        {
            attention.Backward(output, q, k, v, output, selection, _backward);
        }

        return (output, selection.CopyLogSums());
    }

    /// <summary>The figures so far.</summary>
    public AnchorStatistics Result()
    {
        _recalls.Sort();
        return new AnchorStatistics(
            _attended / _allowed, _recalls.Average(recall => (double)recall), _recalls[(int)(0.05 * (_recalls.Count - 1))], Math.Sqrt(_error / _norm),
            times ? new AnchorPartTimes(_forward.Anchor, _forward.Selection, _forward.Sparse, _denseForward) : null,
            times ? new AnchorPartTimes(_backward.Anchor, _backward.Selection, _backward.Sparse, _denseBackward) : null);
    }

    private void AddDense(Tensor q, Tensor k, Tensor v)
    {
        var (heads, n) = (q.shape[0], q.shape[1]);
        var pairs = (double)heads * n * (options.Causal ? (n + 1) / 2.0 : n);
        (_attended, _allowed) = (_attended + pairs, _allowed + pairs);
        _recalls.AddRange(Enumerable.Repeat(1f, (int)(heads * n)));
        var dense = times ? TimeDense(q, k, v, q) : Dense(q, k, v);
        _norm += dense.to(PartialAttention.SumType(q.dtype)).square().sum().ToDouble();
    }

    private void AddPairs(StripeLists stripes, int heads, int length)
    {
        var groups = AnchorGroup.Of(length, options);
        for (var g = 0; g < groups.Length; g++)
        {
            var group = groups[g];
            var anchors = (double)group.AnchorPairs(options.Causal) * heads;
            _attended += anchors + ((double)(stripes.Offsets[(g + 1) * heads] - stripes.Offsets[g * heads]) * group.Rows);
            _allowed += anchors + ((double)group.Candidates * group.Rows * heads);
        }
    }

    private Tensor Dense(Tensor q, Tensor k, Tensor v) =>
        nn.functional.scaled_dot_product_attention(q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), is_casual: options.Causal).squeeze(0);

    private Tensor TimeDense(Tensor q, Tensor k, Tensor v, Tensor grad)
    {
        using var recorded = enable_grad();
        Tensor[] inputs = [q.alias().detach().requires_grad_(true), k.alias().detach().requires_grad_(true), v.alias().detach().requires_grad_(true)];
        PartTimes.WaitFor(device);
        var watch = Stopwatch.StartNew();
        var output = Dense(inputs[0], inputs[1], inputs[2]);
        PartTimes.WaitFor(device);
        _denseForward += watch.Elapsed;
        watch.Restart();
        autograd.grad([output], inputs, [grad]);
        PartTimes.WaitFor(device);
        _denseBackward += watch.Elapsed;
        return output.detach();
    }

    // Some rows at a time: off the CPU the logits of these are in memory.
    private Tensor DenseLogSum(Tensor q, Tensor k, Tensor v)
    {
        var n = q.shape[1];
        var sums = new List<Tensor>();
        for (var start = 0L; start < n; start += RowsAtOnce)
        {
            using var scope = NewDisposeScope();
            var count = Math.Min(RowsAtOnce, n - start);
            Tensor Sum(long first, long keys, bool causal) => PartialAttention.Forward(
                q.narrow(1, start, count).unsqueeze(0), k.narrow(1, first, keys).unsqueeze(0), v.narrow(1, first, keys).unsqueeze(0), causal).LogSum.squeeze(0);
            var sum = options.Causal ? Sum(start, count, true) : Sum(0, n, false);
            sums.Add((options.Causal && start > 0 ? sum.logaddexp(Sum(0, start, false)) : sum).MoveToOuterDisposeScope());
        }

        return cat(sums, 1);
    }
}
