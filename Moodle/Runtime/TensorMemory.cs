using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>The memory of a tensor, of any type and size; TorchSharp's own access ends at 2 GiB and refuses bfloat16.</summary>
public static partial class TensorMemory
{
    /// <summary>
    /// The address of the first element, on the tensor's device. It holds as long as the tensor lives: keep it alive across the
    /// use (<see cref="GC.KeepAlive"/>).
    /// </summary>
    public static nint Address(this Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        var address = THSTensor_data(tensor.Handle);
        GC.KeepAlive(tensor);
        return address;
    }

    // Exported by TorchSharp's native library, which LibTorch.Load has loaded. No error can occur inside.
    [LibraryImport("LibTorchSharp")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint THSTensor_data(nint handle);
}
