using Moodle.Runtime;
using Moodle.Tests.Support;
using static TorchSharp.torch;

namespace Moodle.Tests.Runtime;

/// <summary>Out of memory in the native calls of a training step is an exception that is known as such, not the end of the process.</summary>
[TestClass]
public sealed class MemoryShortageTests
{
    private static readonly string[] s_operations =
        ["mm", "addmm", "mul", "exp", "log_softmax", "masked_fill", "scatter_add", "index_select", "cat", "zeros", "empty", "topk", "backward"];

    public static IEnumerable<object[]> Operations => s_operations.Select(operation => (object[])[operation]);

    [TestMethod]
    [DynamicData(nameof(Operations))]
    public void LibtorchsError_IsKnown(string operation)
    {
        LibTorch.Load();
        RunsOut(operation, CPU);
    }

    [TestMethod]
    [TestCategory("Gpu")]
    [DynamicData(nameof(Operations))]
    public void LibtorchsError_IsKnown_OfAGpuThatGoesOn(string operation)
    {
        AnyGpu.Require();
        RunsOut(operation, CUDA);
        using var sum = ones(3, device: CUDA).sum();
        Assert.AreEqual(3, sum.item<float>());
    }

    private static void RunsOut(string operation, Device device)
    {
        using var scope = NewDisposeScope();
        // Views of one number: a petabyte is needed only where a result is made of it.
        var one = ones(1, 1, device: device);
        var (large, huge) = (one.expand(1 << 24, 1), one.expand(1 << 24, 1 << 24));
        var exception = Assert.Throws<Exception>(() => operation switch
        {
            "mm" => large.mm(large.t()),
            "addmm" => huge.addmm(large, large.t()),
            "mul" => large * large.t(),
            "exp" => huge.exp(),
            "log_softmax" => nn.functional.log_softmax(huge, 1),
            "masked_fill" => huge.masked_fill(huge.gt(0), 1),
            "scatter_add" => huge.scatter_add(1, zeros(1, 1, dtype: ScalarType.Int64, device: device), one),
            "index_select" => huge.index_select(0, zeros(1 << 24, dtype: ScalarType.Int64, device: device)),
            "cat" => cat([huge, huge], 0),
            "zeros" => zeros(1L << 48, device: device),
            "empty" => empty(1L << 48, device: device),
            "topk" => huge.topk(1 << 23, 1).values,
            _ => Backward(huge),
        });
        Assert.IsTrue(MemoryShortage.Is(exception), exception.Message);
    }

    [TestMethod]
    [DataRow("CUDA out of memory. Tried to allocate 2.00 GiB.")]
    [DataRow("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")]
    [DataRow("cuLaunchKernel: CUDA_ERROR_OUT_OF_MEMORY")]
    public void OtherWordings_AreKnown(string message) => Assert.IsTrue(MemoryShortage.Is(new InvalidOperationException(message)));

    [TestMethod]
    public void OtherErrors_AreNot() => Assert.IsFalse(MemoryShortage.Is(new InvalidOperationException("mat1 and mat2 shapes cannot be multiplied")));

    // The gradient of a part is as large as the whole.
    private static Tensor Backward(Tensor huge)
    {
        var x = huge.detach().requires_grad_(true);
        x.narrow(0, 0, 1).narrow(1, 0, 1).sum().backward();
        return x.grad!;
    }
}
