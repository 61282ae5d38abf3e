using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Runtime.Cuda;

/// <summary>Whether kernels of ours can run.</summary>
internal static class CudaSupport
{
    private static readonly Version s_oldest = new(8, 0);

    /// <summary>Why a device cannot run them, as the end of a sentence; null where it can.</summary>
    public static string? WhyNot(Device device)
    {
        if (device.type != DeviceType.CUDA)
        {
            return "the kernels need a GPU";
        }

        try
        {
            var found = CudaDriver.Device(Math.Max(0, device.index)).Capability;
            return found < s_oldest ? $"the GPU is of compute capability {found}, the kernels need {s_oldest}"
                : CudaCompiler.IsFound ? null
                : CudaCompiler.NotFound;
        }
        catch (CudaException exception)
        {
            return exception.Message;
        }
    }
}
