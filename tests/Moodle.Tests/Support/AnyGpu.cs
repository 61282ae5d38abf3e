using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Tests.Support;

/// <summary>For tests of category Gpu.</summary>
internal static class AnyGpu
{
    /// <summary>Skips the test where there is none.</summary>
    public static void Require()
    {
        if (!cuda.is_available())
        {
            Assert.Inconclusive("no GPU");
        }

        InitializeDeviceType(DeviceType.CUDA);
    }
}
