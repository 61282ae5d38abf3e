using Moodle.Attention;
using Moodle.Tests.Support;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Attention;

[TestClass]
public sealed class AnchorAttentionGpuTests
{
    [TestMethod]
    [TestCategory("Gpu")]
    [DataRow(false)]
    [DataRow(true)]
    public void OnAGpu_TheOperationsGiveTheCpusResult(bool causal)
    {
        AnyGpu.Require();
        using var scope = NewDisposeScope();
        var options = new AnchorAttentionOptions { Block = 16, Step = 2, Init = 4, Local = 8, Theta = 2.5, Causal = causal, Implementation = AttentionImplementation.Cpu };
        var (onCpu, onGpu) = (Run(options, CPU), Run(options, CUDA));
        for (var i = 0; i < 4; i++)
        {
            AreClose(onCpu[i], tensor(onGpu[i]), 1e-9);
        }
    }

    [TestMethod]
    [TestCategory("Gpu")]
    public void OnAGpu_TrainingLeavesNoTensors()
    {
        AnyGpu.Require();
        var options = new AnchorAttentionOptions { Block = 16, Step = 2, Init = 4, Local = 8, Theta = 2.5, Implementation = AttentionImplementation.Cpu };
        Run(options, CUDA);
        var before = Tensor.TotalCount;
        for (var step = 0; step < 20; step++)
        {
            Run(options, CUDA);
        }

        Assert.IsLessThan(before + 10, Tensor.TotalCount);
    }

    [TestMethod]
    [TestCategory("Gpu")]
    [DataRow(false, 32)]
    [DataRow(true, 64)]
    public void OnAGpu_PackedDenseAttention_IsThatOfEachSequence(bool causal, int size)
    {
        AnyGpu.Require();
        using var scope = NewDisposeScope();
        manual_seed(2);
        var sequences = new PackedSequences([1, 7, 130, 64, 64, 3]);
        var inputs = Enumerable.Range(0, 4).Select(_ => randn(sequences.Tokens, 2, size).to(CUDA).to(ScalarType.BFloat16)).ToArray(); // q, k, v, grad
        double[][] Run(Func<Tensor, Tensor, Tensor, Tensor> attend, ScalarType type)
        {
            var (q, k, v) = (inputs[0].to(type).requires_grad_(true), inputs[1].to(type).requires_grad_(true), inputs[2].to(type).requires_grad_(true));
            var output = attend(q, k, v);
            return [Flat(output), .. autograd.grad([output], [q, k, v], [inputs[3].to(type)]).Select(Flat)];
        }

        var packed = Run((q, k, v) => new DenseAttention(causal).Attend(q, k, v, sequences), ScalarType.BFloat16);
        var exact = Run((q, k, v) => new DenseAttention(causal).Attend(q, k, v, sequences), ScalarType.Float64);
        for (var i = 0; i < packed.Length; i++)
        {
            AreClose(exact[i], tensor(packed[i]), 0.04);
        }
    }

    [TestMethod]
    public void TheScriptOfPackedAttention_Compiles_AndTheCpuIsRefused()
    {
        using var scope = NewDisposeScope();
        using var none = no_grad();
        var x = randn(3, 2, 8).to(ScalarType.BFloat16);
        Assert.IsFalse(PackedFlash.Fits(x));
        Assert.Throws<System.Runtime.InteropServices.ExternalException>(() => PackedFlash.Attend(x, x, x, new PackedSequences([1, 2]), causal: false));
    }

    // Output and the gradients of q, k and v.
    private static double[][] Run(AnchorAttentionOptions options, Device device)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var inputs = Enumerable.Range(0, 3).Select(_ => randn(2, 3, 150, 32, dtype: ScalarType.Float64).to(device).requires_grad_(true)).ToArray();
        var output = new AnchorAttention(options).Attend(inputs[0], inputs[1], inputs[2]);
        return [Flat(output), .. autograd.grad([output], inputs, [ones_like(output)]).Select(Flat)];
    }
}
