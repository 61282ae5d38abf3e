using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>
/// Numbers from the host to a device for which the host does not wait. An ordinary copy to a GPU waits until the GPU has done all that it was asked before: a step
/// that begins with one cannot be prepared while the step before it is computed.
/// </summary>
internal static class Uploads
{
    /// <summary>Copies a tensor to a device; on the CPU it stays as it is. The given tensor may be disposed of at once.</summary>
    /// <param name="onHost">A tensor on the CPU.</param>
    /// <param name="device">Where it is wanted.</param>
    public static Tensor Upload(this Tensor onHost, Device device)
    {
        if (device.type == DeviceType.CPU)
        {
            return onHost;
        }

        // The allocator of pinned memory gives it to nobody else before the copy is done.
        using var pinned = onHost.pin_memory();
        return pinned.to(device, non_blocking: true);
    }
}
