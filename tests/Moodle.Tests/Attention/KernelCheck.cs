using Moodle.Attention;
using Moodle.Attention.Cuda;
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

    public KernelCheck(int[] lengths, int heads, int size, ScalarType type, AnchorAttentionOptions options, long maskBytes = CudaAttention.MostMaskBytes)
    {
        (_lengths, _heads, _size, _options) = (lengths, heads, size, options);
        _layout = new KernelLayout(lengths, heads, size, packed: true, options, maskBytes, CUDA);
        _kernels = new CudaAttention(_layout, size, type, options, new Device(DeviceType.CUDA, 0));
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

    /// <summary>‖found − expected‖ / ‖expected‖ of output, dq, dk and dv over all sequences; then the largest error of the normalisers' logarithms.</summary>
    public double[] Errors(Tensor[] inputs, Tensor grad, Tensor[] results, KernelSelection selection)
    {
        var errors = new double[5];
        var norms = new double[4];
        var (row, word, group) = (0, 0L, 0);
        foreach (var length in _lengths)
        {
            using var scope = NewDisposeScope();
            Tensor Part(Tensor x) => x.narrow(0, row, length).transpose(0, 1).to(ScalarType.Float64); // [heads, n, d]
            Tensor[] exact = Array.ConvertAll(inputs, x => Part(x).detach().requires_grad_(true));
            var groups = AnchorGroup.Of(length, _options);
            var words = (length + 127) / 128 * 4;
            var attended = Attended(selection.Masks.view(_heads, -1).narrow(1, word, (long)groups.Length * words).view(_heads, groups.Length, words), groups, length);
            CheckRule(exact[0].detach(), exact[1].detach(), attended, groups);
            var logits = (exact[0].matmul(exact[1].transpose(1, 2)) / Math.Sqrt(_size)).masked_fill(attended.logical_not(), double.NegativeInfinity);
            var output = logits.softmax(2).matmul(exact[2]);
            Tensor[] expected = [output, .. autograd.grad([output], exact, [Part(grad)])];
            for (var i = 0; i < 4; i++)
            {
                errors[i] += (Part(results[i]) - expected[i]).square().sum().ToDouble();
                norms[i] += expected[i].square().sum().ToDouble();
            }

            // Math.Max hands on what is not a number.
            errors[4] = Math.Max(errors[4], (selection.LogSums.narrow(1, row, length).to(ScalarType.Float64) - logits.logsumexp(2)).abs().max().ToDouble());
            (row, word, group) = (row + length, word + ((long)groups.Length * words), group + groups.Length);
        }

        for (var i = 0; i < 4; i++)
        {
            // Single keys leave the queries no gradient but rounding's.
            errors[i] = Math.Sqrt(errors[i] / (norms[i] + (1e-6 * inputs[0].NumberOfElements)));
        }

        return errors;
    }

    // [heads, n, n], of the anchor regions and the masks, [heads, groups, words].
    private Tensor Attended(Tensor masks, AnchorGroup[] groups, int length)
    {
        var bits = masks.unsqueeze(3).bitwise_right_shift(arange(32, dtype: ScalarType.Int32, device: masks.device)).bitwise_and(1)
            .view(_heads, groups.Length, -1).narrow(2, 0, length).to(ScalarType.Bool);
        var attended = zeros(_heads, length, length, dtype: ScalarType.Bool, device: masks.device);
        for (var g = 0; g < groups.Length; g++)
        {
            var group = groups[g];
            var region = Region(group, length, masks.device);
            var stripes = bits.select(1, g).unsqueeze(1).logical_and(arange(length, device: masks.device).lt(group.CandidateEnd));
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
