using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Tests.Runtime;

/// <summary>Out of memory in the native calls of a training step is an exception that is known as such, not the end of the process.</summary>
[TestClass]
public sealed class MemoryShortageTests
{
    // A view of one number: a petabyte is needed only where a result is made of it.
    private static Tensor Large() => ones(1, 1).expand(1 << 24, 1);

    [TestMethod]
    [DataRow("mm")]
    [DataRow("addmm")]
    [DataRow("mul")]
    [DataRow("exp")]
    [DataRow("log_softmax")]
    [DataRow("masked_fill")]
    [DataRow("scatter_add")]
    [DataRow("index_select")]
    [DataRow("cat")]
    [DataRow("zeros")]
    [DataRow("empty")]
    [DataRow("topk")]
    [DataRow("backward")]
    public void LibtorchsError_IsKnown(string operation)
    {
        LibTorch.Load();
        using var scope = NewDisposeScope();
        var large = Large();
        var huge = ones(1, 1).expand(1 << 24, 1 << 24);
        var exception = Assert.Throws<Exception>(() => operation switch
        {
            "mm" => large.mm(large.t()),
            "addmm" => huge.addmm(large, large.t()),
            "mul" => large * large.t(),
            "exp" => huge.exp(),
            "log_softmax" => nn.functional.log_softmax(huge, 1),
            "masked_fill" => huge.masked_fill(huge.gt(0), 1),
            "scatter_add" => huge.scatter_add(1, zeros(1, 1, dtype: ScalarType.Int64), ones(1, 1)),
            "index_select" => huge.index_select(0, zeros(1 << 24, dtype: ScalarType.Int64)),
            "cat" => cat([huge, huge], 0),
            "zeros" => zeros(1L << 48),
            "empty" => empty(1L << 48),
            "topk" => huge.topk(1 << 23, 1).values,
            _ => Backward(),
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
    private static Tensor Backward()
    {
        var x = ones(1, 1).expand(1 << 24, 1 << 24).detach().requires_grad_(true);
        x.narrow(0, 0, 1).narrow(1, 0, 1).sum().backward();
        return x.grad!;
    }
}
