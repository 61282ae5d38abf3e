using Moodle.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Tests.Runtime;

[TestClass]
public sealed class UploadsTests
{
    [TestMethod]
    public void OnTheCpu_NothingIsCopied()
    {
        LibTorch.Load();
        using var x = ones(3);
        Assert.AreSame(x, x.Upload(CPU));
    }

    [TestMethod]
    [TestCategory("Gpu")]
    public void WhatIsUploaded_ArrivesWhole_ThoughTheHostsCopyIsGoneAtOnce()
    {
        if (!cuda.is_available())
        {
            Assert.Inconclusive("no GPU");
        }

        InitializeDeviceType(DeviceType.CUDA);
        using var scope = NewDisposeScope();
        var sums = zeros(1, dtype: ScalarType.Int64, device: CUDA);
        var expected = 0L;
        for (var i = 0; i < 200; i++)
        {
            var numbers = Enumerable.Range(i, 100_000).ToArray();
            expected += numbers.Sum(number => (long)number);
            using var onHost = tensor(numbers);
            sums.add_(onHost.Upload(CUDA).sum(ScalarType.Int64));
        }

        Assert.AreEqual(expected, sums.item<long>());
    }
}
