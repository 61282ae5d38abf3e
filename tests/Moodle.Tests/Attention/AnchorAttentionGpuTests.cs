using Moodle.Attention;
using TorchSharp;
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
        Require();
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
        Require();
        var options = new AnchorAttentionOptions { Block = 16, Step = 2, Init = 4, Local = 8, Theta = 2.5, Implementation = AttentionImplementation.Cpu };
        Run(options, CUDA);
        var before = Tensor.TotalCount;
        for (var step = 0; step < 20; step++)
        {
            Run(options, CUDA);
        }

        Assert.IsLessThan(before + 10, Tensor.TotalCount);
    }

    private static void Require()
    {
        if (!cuda.is_available())
        {
            Assert.Inconclusive("no GPU");
        }

        InitializeDeviceType(DeviceType.CUDA);
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
