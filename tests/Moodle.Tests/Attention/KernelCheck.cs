using Moodle.Attention;
using Moodle.Attention.Cuda;
using Moodle.Runtime.Cuda;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Tests.Attention;

/// <summary>Holds the CUDA kernels' results against float64, with the keys that the kernels chose; and the choice against the rule.</summary>
internal sealed class KernelCheck
{
    // The kernels round mean queries to 16 bits: a score this near to θ may fall on either side.
    private const double Border = 0.05;
    private readonly AnchorAttentionOptions _options;
    private readonly int[] _lengths;
    private readonly int _heads;
    private readonly int _size;
    private readonly KernelLayout _layout;
    private readonly CudaAttention _kernels;

    public KernelCheck(int[] lengths, int heads, int size, ScalarType type, AnchorAttentionOptions options, long maskBytes = CudaAttention.MostMaskBytes, int screenedFrom = CudaAttention.ScreenedFrom)
    {
        (_lengths, _heads, _size, _options) = (lengths, heads, size, options);
        _layout = new KernelLayout(lengths, heads, size, packed: true, options, maskBytes, CUDA, AttentionKernels.IsHopper(CudaDriver.Device(0)));
        _kernels = new CudaAttention(_layout, size, type, options, new Device(DeviceType.CUDA, 0), screenedFrom);
    }

    public KernelLayout Layout => _layout;

    /// <summary>Output, gradients of q, k and v, and the selection.</summary>
    public (Tensor[] Results, KernelSelection Selection) Run(Tensor q, Tensor k, Tensor v, Tensor grad)
    {
        var selection = _kernels.Select(q, k, v);
        var output = _kernels.Finish(q, k, v, selection);
        var (dq, dk, dv) = _kernels.Backward(grad, q, k, v, output, selection);
        return ([output, dq, dk, dv], selection);
    }

    /// <summary>‖found − expected‖ / ‖expected‖ of output, dq, dk and dv over all sequences, the gradients given the output as it was found; then the largest error of the normalisers' logarithms.</summary>
    public double[] Errors(Tensor[] inputs, Tensor grad, Tensor[] results, KernelSelection selection)
    {
        var errors = new double[5];
        var norms = new double[4];
        var (row, word, group) = (0, 0L, 0);
        var lists = selection.ViewLists().cpu().data<int>().ToArray();
        var pool = selection.ViewPool().cpu().data<int>().ToArray();
        var masks = selection.ViewMasks().cpu().data<int>().ToArray();
        var logSums = selection.CopyLogSums();
        foreach (var length in _lengths)
        {
            using var scope = NewDisposeScope();
            Tensor Part(Tensor x) => x.narrow(0, row, length).transpose(0, 1).to(ScalarType.Float64); // [heads, n, d]
            var (q, k, v, g) = (Part(inputs[0]), Part(inputs[1]), Part(inputs[2]), Part(grad));
            var groups = AnchorGroup.Of(length, _options);
            var words = (length + 127) / 128 * 4L;
            var attended = Attended(Stripes(lists, pool, masks, group, word, groups, length).to(inputs[0].device), groups, length);
            CheckRule(q, k, attended, groups);
            var logits = (q.matmul(k.transpose(1, 2)) / Math.Sqrt(_size)).masked_fill(attended.logical_not(), double.NegativeInfinity);
            var p = logits.softmax(2);
            // Backward is given the rounded output, as in every flash attention. Where one key has nearly all weight, that rounding alone is more than the
            // gradient: of two keys it moves dq by over 1 % in a third of all draws.
            var ds = p * (g.matmul(v.transpose(1, 2)) - (g * Part(results[0])).sum(2, keepdim: true)) / Math.Sqrt(_size);
            Tensor[] expected = [p.matmul(v), ds.matmul(k), ds.transpose(1, 2).matmul(q), p.transpose(1, 2).matmul(g)];
            for (var i = 0; i < 4; i++)
            {
                errors[i] += (Part(results[i]) - expected[i]).square().sum().ToDouble();
                norms[i] += expected[i].square().sum().ToDouble();
            }

            // Math.Max hands on what is not a number.
            errors[4] = Math.Max(errors[4], (logSums.narrow(1, row, length).to(ScalarType.Float64) - logits.logsumexp(2)).abs().max().ToDouble());
            (row, word, group) = (row + length, word + (groups.Length * words), group + groups.Length);
        }

        for (var i = 0; i < 4; i++)
        {
            // Single keys leave the queries no gradient but rounding's.
            errors[i] = Math.Sqrt(errors[i] / (norms[i] + (1e-6 * inputs[0].NumberOfElements)));
        }

        return errors;
    }

    // [heads, groups, n]: what a sequence's groups select beside their anchor regions. Its groups begin at `first`, their masks at `word`.
    private Tensor Stripes(int[] lists, int[] pool, int[] masks, int first, long word, AnchorGroup[] groups, int length)
    {
        Assert.HasCount(1, _layout.Slabs);
        var shape = _kernels.ShapeOf(0);
        var taken = new bool[_heads * groups.Length * length];
        for (var head = 0; head < _heads; head++)
        {
            for (var g = 0; g < groups.Length; g++)
            {
                var to = taken.AsSpan(((head * groups.Length) + g) * length, length);
                for (var chunk = 0; chunk < shape.Chunks; chunk++)
                {
                    var at = 2 * ((((head * shape.Groups) + first + g) * shape.Chunks) + chunk);
                    var (start, count) = (lists[at], lists[at + 1]);
                    var (begin, end) = (Math.Min(length, chunk * shape.Chunk), Math.Min(length, (chunk + 1) * shape.Chunk));
                    int[] keys = start >= 0 ? pool[start..(start + count)]
                        : [.. Enumerable.Range(begin, end - begin).Where(key => key < groups[g].CandidateEnd && (masks[(head * shape.Words) + word + (g * ((length + 127) / 128 * 4)) + (key / 32)] >> (key % 32) & 1) == 1)];
                    Assert.HasCount(count, keys);
                    Assert.IsTrue(keys.All(key => key >= begin && key < end) && keys.Zip(keys.Skip(1)).All(pair => pair.First < pair.Second), "a list is not in order");
                    foreach (var key in keys)
                    {
                        to[key] = true;
                    }
                }
            }
        }

        return tensor(taken).view(_heads, groups.Length, length);
    }

    // [heads, n, n], of the anchor regions and the stripes, [heads, groups, n].
    private Tensor Attended(Tensor bits, AnchorGroup[] groups, int length)
    {
        var attended = zeros(_heads, length, length, dtype: ScalarType.Bool, device: bits.device);
        for (var g = 0; g < groups.Length; g++)
        {
            var group = groups[g];
            var region = Region(group, length, bits.device);
            var stripes = bits.select(1, g).unsqueeze(1).logical_and(arange(length, device: bits.device).lt(group.CandidateEnd));
            Assert.IsFalse(stripes.logical_and(region).any().ToBoolean(), "a key of the anchor region was taken as a stripe");
            attended.narrow(1, group.Start, group.Rows).copy_(region.logical_or(stripes));
        }

        return _options.Causal ? attended.logical_and(ones_like(attended[0]).tril()) : attended;
    }

    // [1, n]
    private static Tensor Region(AnchorGroup group, int length, Device device)
    {
        var key = arange(length, device: device).unsqueeze(0);
        return key.lt(group.InitEnd).logical_or(key.ge(group.LocalStart).logical_and(key.lt(group.LocalEnd)));
    }

    private void CheckRule(Tensor q, Tensor k, Tensor attended, AnchorGroup[] groups)
    {
        var length = (int)q.shape[1];
        foreach (var group in groups)
        {
            using var scope = NewDisposeScope();
            var rows = arange(group.Start, group.End, device: q.device).unsqueeze(1);
            var key = arange(length, device: q.device).unsqueeze(0);
            var region = Region(group, length, q.device);
            var seen = _options.Causal ? region.logical_and(key.le(rows)) : region.expand(group.Rows, length);
            var logits = q.narrow(1, group.Start, group.Rows).matmul(k.transpose(1, 2)) / Math.Sqrt(_size); // [heads, rows, n]
            var anchors = logits.masked_fill(seen.logical_not(), double.NegativeInfinity).amax([2]);
            var lead = full([_heads, length], double.NegativeInfinity, dtype: ScalarType.Float64, device: q.device);
            for (var first = 0; first < group.Rows; first += _options.Block)
            {
                var count = Math.Min(_options.Block, group.Rows - first);
                lead = lead.maximum(logits.narrow(1, first, count).mean([1]) - anchors.narrow(1, first, count).mean([1], keepdim: true));
            }

            var taken = attended[.., group.End - 1, ..]; // the last row sees all of its group's stripes
            var wrong = lead.ge(-_options.Theta).not_equal(taken).logical_and(region.logical_not()).logical_and(key.lt(group.CandidateEnd));
            var border = double.IsInfinity(_options.Theta) ? zeros_like(lead) : (lead + _options.Theta).abs();
            Assert.IsFalse(wrong.logical_and(border.gt(Border)).any().ToBoolean(), $"the choice of group {group} is not the rule's");
            Assert.IsFalse(double.IsInfinity(_options.Theta) && wrong.any().ToBoolean(), "infinity takes every key");
        }
    }
}
