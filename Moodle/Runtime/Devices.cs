using System.Globalization;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>The devices that users name, and the number of threads.</summary>
public static class Devices
{
    /// <summary>Turns <c>cpu</c>, <c>cuda</c> or <c>cuda:N</c> into a device that works; loads libtorch.</summary>
    /// <exception cref="InputException">It is none of these, or there is no such GPU; the message says what was looked for.</exception>
    /// <exception cref="LibTorchException">libtorch cannot be loaded.</exception>
    public static Device Parse(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        var index = 0;
        var valid = name is "cpu" or "cuda"
            || (name.StartsWith("cuda:", StringComparison.Ordinal)
                && int.TryParse(name.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out index));
        if (!valid)
        {
            throw new InputException($"device: \"{name}\" is no device; expected cpu, cuda or cuda:N");
        }
        LibTorch.Load();
        if (name == "cpu")
        {
            NativeHeap.Retain();
            return CPU;
        }
        if (WhyNoCuda() is { } reason)
        {
            throw new InputException($"device: {name} cannot be used: {reason}, or take device cpu");
        }
        var count = cuda.device_count();
        return index < count
            ? new Device(DeviceType.CUDA, index)
            : throw new InputException($"device: {name} does not exist: there are {count} GPUs, cuda:0 to cuda:{count - 1}");
    }

    /// <summary>Sets the number of CPU threads of one operation; 0 takes as many as there are cores.</summary>
    public static void SetThreads(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        LibTorch.Load();
        set_num_threads(count == 0 ? Environment.ProcessorCount : count);
    }

    /// <summary>Why CUDA cannot be used, with the remedy, as the end of a sentence; null where it can.</summary>
    internal static string? WhyNoCuda()
    {
        var libtorch = LibTorch.Load();
        if (cuda.is_available())
        {
            return null;
        }
        if (libtorch is { Folder: { } folder, HasCudaLibraries: false })
        {
            return $"the libtorch in {folder} has no CUDA part (libtorch_cuda.so); build with -p:TorchBackend=cuda, or build with "
                + $"-p:TorchBackend=external and set {LibTorch.FolderVariable} to the folder torch/lib of a PyTorch with CUDA";
        }
        var driver = OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1";
        if (!NativeLibrary.TryLoad(driver, out _))
        {
            return $"NVIDIA's driver ({driver}) was not found; install it";
        }
        var visible = Environment.GetEnvironmentVariable("CUDA_VISIBLE_DEVICES");
        return visible is null
            ? "libtorch's CUDA part finds no GPU that it can use; check nvidia-smi and that the driver is new enough for this libtorch"
            : $"libtorch's CUDA part finds no GPU that it can use among CUDA_VISIBLE_DEVICES={visible}; change that variable";
    }
}
