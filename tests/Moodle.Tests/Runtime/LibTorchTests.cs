using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Tests.Runtime;

[TestClass]
public sealed class LibTorchTests
{
    [TestMethod]
    public void Load_IsIdempotent() => Assert.AreSame(LibTorch.Load(), LibTorch.Load());

    [TestMethod]
    public void Loaded_MultipliesAndDifferentiates()
    {
        using var scope = NewDisposeScope();
        var a = tensor(new float[] { 1, 2, 3, 4 }).reshape(2, 2).requires_grad_(true);
        var b = tensor(new float[] { 5, 6, 7, 8 }).reshape(2, 2);
        var product = a.matmul(b);
        CollectionAssert.AreEqual(new float[] { 19, 22, 43, 50 }, product.data<float>().ToArray());
        product.sum().backward();
        CollectionAssert.AreEqual(new float[] { 11, 15, 11, 15 }, a.grad!.data<float>().ToArray());
    }

    [TestMethod]
    public void Loaded_TurnsNativeErrorsIntoExceptions()
    {
        using var a = ones(2, 3);
        using var b = ones(4, 5);
        var error = Assert.ThrowsExactly<System.Runtime.InteropServices.ExternalException>(() => a.add(b));
        Assert.Contains("size of tensor", error.Message);
    }
}
