using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;

namespace Moodle.Runtime.Cuda;

/// <summary>
/// NVIDIA's driver on libtorch's own context of a device, so that kernels of ours work on tensors' memory. TorchSharp cannot change
/// libtorch's stream: it is always the default one, and kernels follow each other on it as libtorch's operations do.
/// </summary>
internal static unsafe class CudaDriver
{
    private const int MajorAttribute = 75;
    private const int MinorAttribute = 76;
    private const int MultiprocessorsAttribute = 16;
    private const int SharedMemoryAttribute = 97; // what a block may have after opting in

    private static readonly Lazy<nint> s_library = new(() =>
    {
        var library = NativeLibrary.TryLoad(GpuInventory.DriverName, out var handle)
            ? handle
            : throw new CudaException($"NVIDIA's driver ({GpuInventory.DriverName}) was not found; install it");
        CheckCode(((delegate* unmanaged<uint, int>)NativeLibrary.GetExport(library, "cuInit"))(0), "cuInit", library);
        return library;
    });

    private static readonly ConcurrentDictionary<int, CudaDevice> s_devices = new();
    private static readonly ConcurrentDictionary<string, nint> s_functions = new();

    /// <summary>A device by libtorch's number.</summary>
    /// <exception cref="CudaException">There is no driver, or no such device.</exception>
    public static CudaDevice Device(int index) => s_devices.GetOrAdd(index, static index =>
    {
        int device, major, minor, multiprocessors, shared;
        nint context;
        Check(((delegate* unmanaged<int*, int, int>)Export("cuDeviceGet"))(&device, index), "cuDeviceGet");
        var attribute = (delegate* unmanaged<int*, int, int, int>)Export("cuDeviceGetAttribute");
        Check(attribute(&major, MajorAttribute, device), "cuDeviceGetAttribute");
        Check(attribute(&minor, MinorAttribute, device), "cuDeviceGetAttribute");
        Check(attribute(&multiprocessors, MultiprocessorsAttribute, device), "cuDeviceGetAttribute");
        Check(attribute(&shared, SharedMemoryAttribute, device), "cuDeviceGetAttribute");
        // libtorch uses this context too; it is never released.
        Check(((delegate* unmanaged<nint*, int, int>)Export("cuDevicePrimaryCtxRetain"))(&context, device), "cuDevicePrimaryCtxRetain");
        return new CudaDevice(context, new Version(major, minor), multiprocessors, shared);
    });

    /// <summary>Makes a device's context the thread's current one until <see cref="Leave"/>: autograd's threads may have none or another.</summary>
    public static void Enter(CudaDevice device) => Check(((delegate* unmanaged<nint, int>)Export("cuCtxPushCurrent_v2"))(device.Context), "cuCtxPushCurrent");

    /// <summary>Goes back to the context before <see cref="Enter"/>.</summary>
    public static void Leave()
    {
        nint context;
        Check(((delegate* unmanaged<nint*, int>)Export("cuCtxPopCurrent_v2"))(&context), "cuCtxPopCurrent");
    }

    /// <summary>A function of the driver's library.</summary>
    public static nint Export(string function) => s_functions.GetOrAdd(function, static name => NativeLibrary.GetExport(s_library.Value, name));

    /// <summary>Turns a refusal into an exception.</summary>
    /// <param name="code">What a call returned.</param>
    /// <param name="call">The call's name.</param>
    /// <exception cref="CudaException">The code is no success.</exception>
    public static void Check(int code, string call)
    {
        if (code != 0)
        {
            CheckCode(code, call, s_library.Value);
        }
    }

    private static void CheckCode(int code, string call, nint library)
    {
        if (code == 0)
        {
            return;
        }

        string Text(string function)
        {
            byte* text;
            return ((delegate* unmanaged<int, byte**, int>)NativeLibrary.GetExport(library, function))(code, &text) == 0
                ? Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text)) : "unknown";
        }

        throw new CudaException($"{call}: {Text("cuGetErrorName")} ({code}): {Text("cuGetErrorString")}");
    }
}

/// <summary>A GPU.</summary>
/// <param name="Context">Its primary context.</param>
/// <param name="Capability">Its compute capability, such as 9.0.</param>
/// <param name="Multiprocessors">Their number.</param>
/// <param name="SharedMemory">The most bytes of shared memory that a block of threads may have.</param>
internal sealed record CudaDevice(nint Context, Version Capability, int Multiprocessors, int SharedMemory);
