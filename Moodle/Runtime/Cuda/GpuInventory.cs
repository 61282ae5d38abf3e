using System.Runtime.InteropServices;
using System.Text;

namespace Moodle.Runtime.Cuda;

/// <summary>A GPU as NVIDIA's driver describes it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Capability">Its compute capability, such as 9.0.</param>
/// <param name="Bytes">Its memory.</param>
internal sealed record Gpu(string Name, Version Capability, long Bytes);

/// <summary>NVIDIA's driver and GPUs, asked directly: TorchSharp tells a GPU's number only.</summary>
/// <param name="DriverVersion">The newest CUDA version that the driver can run; null where there is no driver.</param>
/// <param name="Gpus">The GPUs, in the driver's order.</param>
internal sealed unsafe record GpuInventory(Version? DriverVersion, IReadOnlyList<Gpu> Gpus)
{
    private const int MajorAttribute = 75;
    private const int MinorAttribute = 76;

    /// <summary>The driver's library.</summary>
    public static string DriverName => OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1";

    /// <summary>Asks; whatever is missing or fails is left out.</summary>
    public static GpuInventory Find()
    {
        var (version, gpus) = AskDriver();
        return new GpuInventory(version, gpus);
    }

    private static (Version?, IReadOnlyList<Gpu>) AskDriver()
    {
        var gpus = new List<Gpu>();
        if (!NativeLibrary.TryLoad(DriverName, out var driver) || !NativeLibrary.TryGetExport(driver, "cuDriverGetVersion", out var getVersion))
        {
            return (null, gpus);
        }
        int number;
        if (((delegate* unmanaged<int*, int>)getVersion)(&number) != 0)
        {
            return (null, gpus);
        }
        var version = new Version(number / 1000, number % 1000 / 10);
        int count;
        if (((delegate* unmanaged<uint, int>)Export("cuInit"))(0) != 0
            || ((delegate* unmanaged<int*, int>)Export("cuDeviceGetCount"))(&count) != 0)
        {
            return (version, gpus);
        }
        var name = stackalloc byte[256];
        for (var i = 0; i < count; i++)
        {
            int device, major, minor;
            nuint bytes;
            if (((delegate* unmanaged<int*, int, int>)Export("cuDeviceGet"))(&device, i) == 0
                && ((delegate* unmanaged<byte*, int, int, int>)Export("cuDeviceGetName"))(name, 256, device) == 0
                && ((delegate* unmanaged<nuint*, int, int>)Export("cuDeviceTotalMem_v2"))(&bytes, device) == 0
                && ((delegate* unmanaged<int*, int, int, int>)Export("cuDeviceGetAttribute"))(&major, MajorAttribute, device) == 0
                && ((delegate* unmanaged<int*, int, int, int>)Export("cuDeviceGetAttribute"))(&minor, MinorAttribute, device) == 0)
            {
                var text = new ReadOnlySpan<byte>(name, 256);
                gpus.Add(new Gpu(Encoding.UTF8.GetString(text[..Math.Max(0, text.IndexOf((byte)0))]), new Version(major, minor), (long)bytes));
            }
        }
        return (version, gpus);

        nint Export(string function) => NativeLibrary.GetExport(driver, function);
    }
}
