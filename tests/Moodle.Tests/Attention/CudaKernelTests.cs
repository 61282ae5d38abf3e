using Moodle.Attention;
using Moodle.Attention.Cuda;
using Moodle.Runtime.Cuda;
using Moodle.Tests.Support;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Tests.Attention;

[TestClass]
[TestCategory("Gpu")]
public sealed class CudaKernelTests
{
    private static readonly AnchorAttentionOptions s_options = new() { Theta = 3, Implementation = AttentionImplementation.Cuda };

    [TestInitialize]
    public void Require()
    {
        AnyGpu.Require();
        if (CudaSupport.WhyNot(CUDA) is { } reason)
        {
            Assert.Inconclusive(reason);
        }
    }

    // 500 in all: sizes, types, directions, lengths, groups and θ are drawn.
    [TestMethod]
    [DataRow(64, ScalarType.BFloat16)]
    [DataRow(64, ScalarType.Float16)]
    [DataRow(128, ScalarType.BFloat16)]
    [DataRow(128, ScalarType.Float16)]
    public void RandomShapes_EqualFloat64_WithAllGradients(int size, ScalarType type)
    {
        var random = new Random(size + (int)type);
        for (var i = 0; i < 125; i++)
        {
            using var scope = NewDisposeScope();
            T Draw<T>(params T[] from) => from[random.Next(from.Length)];
            int[] lengths = [.. Enumerable.Range(0, 1 + random.Next(4)).Select(_ => Draw(1, 1 + random.Next(70), 100 + random.Next(800), 900 + random.Next(1700)))];
            var options = s_options with
            {
                Causal = i % 2 == 0,
                Block = Draw(16, 37, 64, 128, 200),
                Step = Draw(1, 2, 3, 4, 16),
                Init = Draw(0, 1, 64, 200),
                Local = Draw(0, 5, 64, 300),
                Theta = Draw(1, 3, 4.5, 12, double.PositiveInfinity, -5),
                Deterministic = i % 3 == 0,
            };
            var heads = 1 + random.Next(3);
            var check = new KernelCheck(lengths, heads, size, type, options, screenedFrom: Draw(1, CudaAttention.ScreenedFrom));
            var (inputs, grad) = Inputs(lengths.Sum(), heads, size, type, i);
            Poison(heads * lengths.Sum() * size);
            var (results, selection) = check.Run(inputs[0], inputs[1], inputs[2], grad);
            var errors = check.Errors(inputs, grad, results, selection);
            for (var e = 0; e < 5; e++)
            {
                Assert.IsLessThan(type == ScalarType.BFloat16 ? 1e-2 : 2e-3, errors[e], $"{e} of {options}, {string.Join(' ', lengths)}");
            }
        }
    }

    [TestMethod]
    [DataRow(64, false)]
    [DataRow(64, true)]
    [DataRow(128, false)]
    [DataRow(128, true)]
    public void InfiniteTheta_IsDense(int size, bool causal)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        Tensor Random() => randn(2, 3, 3000, size, device: CUDA).to(ScalarType.BFloat16);
        var (q, k, v) = (Random(), Random(), Random());
        var dense = nn.functional.scaled_dot_product_attention(q.to(ScalarType.Float64), k.to(ScalarType.Float64), v.to(ScalarType.Float64), is_casual: causal);
        var theirs = nn.functional.scaled_dot_product_attention(q, k, v, is_casual: causal);
        var ours = new AnchorAttention(s_options with { Causal = causal, Theta = double.PositiveInfinity }).Attend(q, k, v);
        Assert.IsLessThan(2 * Distance(theirs, dense), Distance(ours, dense));
    }

    [TestMethod]
    [DataRow(64)]
    [DataRow(128)]
    public void BatchAndPacked_AgreeBitForBit(int size)
    {
        using var scope = NewDisposeScope();
        manual_seed(2);
        var attention = new AnchorAttention(s_options);
        Tensor Random() => randn(3, 2, 2000, size, device: CUDA).to(ScalarType.BFloat16);
        var (q, k, v) = (Random(), Random(), Random());
        Tensor Packed(Tensor x) => x.transpose(1, 2).reshape(6000, 2, size);
        var packed = attention.Attend(Packed(q), Packed(k), Packed(v), new PackedSequences([2000, 2000, 2000]));
        Assert.IsTrue(Packed(attention.Attend(q, k, v)).equal(packed).all().ToBoolean());
    }

    [TestMethod]
    [DataRow(64, false)]
    [DataRow(64, true)]
    [DataRow(128, true)]
    public void FiveRuns_Agree(int size, bool deterministic)
    {
        using var scope = NewDisposeScope();
        var check = new KernelCheck([4000, 700], 4, size, ScalarType.BFloat16, s_options with { Deterministic = deterministic });
        var (inputs, grad) = Inputs(4700, 4, size, ScalarType.BFloat16, 3);
        var first = check.Run(inputs[0], inputs[1], inputs[2], grad).Results;
        for (var run = 1; run < 5; run++)
        {
            var again = check.Run(inputs[0], inputs[1], inputs[2], grad).Results;
            for (var i = 0; i < 4; i++)
            {
                // Only the keys' sums depend on an order.
                Assert.IsTrue(i < 2 || deterministic ? first[i].equal(again[i]).all().ToBoolean() : Distance(again[i], first[i]) < 1e-3, $"{i} in run {run}");
            }
        }
    }

    [TestMethod]
    [DataRow(64)]
    [DataRow(128)]
    public void MasksThatTakeTurns_ChangeNothing(int size)
    {
        using var scope = NewDisposeScope();
        int[] lengths = [3000, 5000, 129];
        var (inputs, grad) = Inputs(lengths.Sum(), 2, size, ScalarType.BFloat16, 4);
        var options = s_options with { Block = 16, Step = 4, Deterministic = true };
        var whole = new KernelCheck(lengths, 2, size, ScalarType.BFloat16, options);
        var parts = new KernelCheck(lengths, 2, size, ScalarType.BFloat16, options, maskBytes: 1 << 14);
        Assert.HasCount(1, whole.Layout.Slabs);
        Assert.IsGreaterThan(4, parts.Layout.Slabs.Count);
        var (expected, found) = (whole.Run(inputs[0], inputs[1], inputs[2], grad).Results, parts.Run(inputs[0], inputs[1], inputs[2], grad).Results);
        for (var i = 0; i < 4; i++)
        {
            Assert.IsTrue(expected[i].equal(found[i]).all().ToBoolean(), $"{i}");
        }
    }

    // Mean queries that are much alike, and keys of which few come near: most are left out before they are looked at.
    [TestMethod]
    [DataRow(64, false)]
    [DataRow(128, true)]
    public void Screening_ChangesNothing(int size, bool causal)
    {
        using var scope = NewDisposeScope();
        int[] lengths = [20_000, 9_000];
        var (inputs, grad) = Inputs(lengths.Sum(), 2, size, ScalarType.BFloat16, 8);
        using (no_grad())
        {
            inputs[0].mul_(0.3).add_(randn(size, device: CUDA));
        }

        var options = s_options with { Block = 16, Causal = causal, Deterministic = true };
        var all = new KernelCheck(lengths, 2, size, ScalarType.BFloat16, options, screenedFrom: int.MaxValue);
        var screened = new KernelCheck(lengths, 2, size, ScalarType.BFloat16, options, screenedFrom: 1);
        var (expected, found) = (all.Run(inputs[0], inputs[1], inputs[2], grad).Results, screened.Run(inputs[0], inputs[1], inputs[2], grad).Results);
        for (var i = 0; i < 4; i++)
        {
            Assert.IsTrue(expected[i].equal(found[i]).all().ToBoolean(), $"{i}");
        }
    }

    [TestMethod]
    public void WhatIsNotANumber_ShowsInTheOutput()
    {
        using var scope = NewDisposeScope();
        var (inputs, _) = Inputs(3000, 1, 64, ScalarType.BFloat16, 5);
        var attention = new AnchorAttention(s_options);
        var one = new PackedSequences([3000]);
        using var none = no_grad();
        using var query = inputs[0].detach().clone();
        query.narrow(0, 700, 1).fill_(double.NaN);
        var rows = attention.Attend(query, inputs[1], inputs[2], one).isnan().any(2).any(1);
        Assert.IsTrue(rows[700].ToBoolean());
        Assert.AreEqual(1, rows.sum().ToInt32());
        using var key = inputs[1].detach().clone();
        key.narrow(0, 2900, 1).fill_(double.NaN);
        Assert.IsTrue(attention.Attend(inputs[0], key, inputs[2], one).isnan().all().ToBoolean());
    }

    [TestMethod]
    public void ARefusedLaunch_IsAnException_AndTheNextOneWorks()
    {
        using var scope = NewDisposeScope();
        var kernels = AttentionKernels.For(new Device(DeviceType.CUDA, 0), 64, ScalarType.BFloat16, false);
        Assert.ThrowsExactly<CudaException>(() => kernels.Launch("anchor_forward", (1, 1), 128, 1 << 20, default(KernelShape)));
        Assert.ThrowsExactly<CudaException>(() => kernels.Launch("no_such_kernel", (1, 1), 128, 0, default(KernelShape)));
        Assert.IsTrue(ones(8, device: CUDA).sum().ToSingle() == 8);
        InfiniteTheta_IsDense(64, false);
    }

    [TestMethod]
    public void Training_LeavesNoTensors()
    {
        var attention = new AnchorAttention(s_options);
        void Step()
        {
            using var scope = NewDisposeScope();
            var (inputs, grad) = Inputs(3000, 2, 64, ScalarType.BFloat16, 6);
            Tensor[] leaves = Array.ConvertAll(inputs, x => x.requires_grad_(true));
            autograd.grad([attention.Attend(leaves[0], leaves[1], leaves[2], new PackedSequences([1000, 2000]))], leaves, [grad]);
        }

        Step();
        var before = Tensor.TotalCount;
        for (var i = 0; i < 20; i++)
        {
            Step();
        }

        Assert.IsLessThan(before + 10, Tensor.TotalCount);
    }

    [TestMethod]
    public void Auto_IsDense_WhereNothingCanBeLeftOut()
    {
        using var scope = NewDisposeScope();
        var (inputs, _) = Inputs(8192, 2, 64, ScalarType.BFloat16, 7);
        using var none = no_grad();
        Tensor Batch(Tensor x) => x.transpose(0, 1).unsqueeze(0);
        var options = new AnchorAttentionOptions { Theta = double.PositiveInfinity };
        var dense = nn.functional.scaled_dot_product_attention(Batch(inputs[0]), Batch(inputs[1]), Batch(inputs[2]));
        Assert.IsTrue(new AnchorAttention(options).Attend(Batch(inputs[0]), Batch(inputs[1]), Batch(inputs[2])).equal(dense).all().ToBoolean());
    }

    private static (Tensor[] Inputs, Tensor Grad) Inputs(int tokens, int heads, int size, ScalarType type, int seed)
    {
        manual_seed(seed);
        Tensor Random(double scale) => (randn(tokens, heads, size, device: CUDA) * scale).to(type);
        return ([Random(1.5), Random(1), Random(1)], Random(1));
    }

    // Memory that the next allocations are likely to get: what a kernel fails to write is no number.
    private static void Poison(int elements)
    {
        for (var i = 0; i < 12; i++)
        {
            using var scope = NewDisposeScope();
            full([elements], double.NaN, device: CUDA);
            full([elements], double.NaN, dtype: ScalarType.BFloat16, device: CUDA);
        }
    }

    private static double Distance(Tensor found, Tensor expected) =>
        ((found.to(ScalarType.Float64) - expected.to(ScalarType.Float64)).norm() / expected.to(ScalarType.Float64).norm()).ToDouble();
}
