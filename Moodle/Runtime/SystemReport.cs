using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Moodle.Runtime.Cuda;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>One thing that the program needs or could use.</summary>
/// <param name="Name">What.</param>
/// <param name="Ok">Whether it is there and works.</param>
/// <param name="Found">What was found, or what is missing.</param>
/// <param name="Required">Whether the default, on the CPU, needs it.</param>
/// <param name="Remedy">What follows from its absence and how to mend it; null where nothing is to be done.</param>
internal sealed record SystemCheck(string Name, bool Ok, string Found, bool Required = false, string? Remedy = null);

/// <summary>Looks at the machine with the program's eyes. Nothing here throws for what a machine lacks.</summary>
internal static class SystemReport
{
    /// <summary>All checks, in the order in which one builds on the other.</summary>
    public static IReadOnlyList<SystemCheck> Collect()
    {
        var gpus = GpuInventory.Find();
        return
        [
            new(".NET", true, $"{RuntimeInformation.FrameworkDescription}, {RuntimeInformation.RuntimeIdentifier}"),
            new("system", true, $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}"),
            .. CppRuntime(),
            TorchLibrary(),
            Processor(),
            .. Convolution(),
            Images(),
            Driver(gpus),
            Gpus(gpus),
            Compiler(),
        ];
    }

    private static IEnumerable<SystemCheck> CppRuntime()
    {
        if (!OperatingSystem.IsLinux())
        {
            yield break;
        }
        yield return LibStdCxx.Find() is { Newest: { } newest } found
            ? new("libstdc++", true, $"GLIBCXX_{newest}, {found.Path}")
            : new("libstdc++", false, "libstdc++.so.6 was not found", Required: true, "libtorch needs it: install the package libstdc++6");
    }

    private static SystemCheck TorchLibrary()
    {
        const string Name = "libtorch";
        try
        {
            var info = LibTorch.Load();
            using var scope = NewDisposeScope();
            if (ones(2, 3).matmul(ones(3, 2)).sum().item<float>() != 12)
            {
                return new(Name, false, "a matrix product came out wrong", Required: true, "install the program again");
            }
            var origin = info.Folder is null ? "" : $", {info.Folder}{(info.External ? $" ({LibTorch.FolderVariable})" : "")}";
            var patched = info.Patched ? $"; TorchSharp's library adapted to this libstdc++: {info.Wrapper}" : "";
            return new(Name, true, $"TorchSharp {typeof(torch).Assembly.GetName().Version?.ToString(3)}{origin}{patched}", Required: true);
        }
        catch (LibTorchException e)
        {
            return new(Name, false, "it cannot be loaded", Required: true, e.Message);
        }
        catch (Exception e) when (e is TypeInitializationException or DllNotFoundException or EntryPointNotFoundException or ExternalException)
        {
            return new(Name, false, "it does not work", Required: true, $"this libtorch does not suit TorchSharp: {e.Message.ReplaceLineEndings(" ")}");
        }
    }

    private static SystemCheck Processor()
    {
        var flags = CpuFlags();
        (string Name, bool Has)[] features =
        [
            ("avx2", Avx2.IsSupported), ("avx512", Avx512F.IsSupported),
            ("avx512_bf16", flags.Contains("avx512_bf16")), ("amx_bf16", flags.Contains("amx_bf16")),
        ];
        string List(bool has) => string.Join(' ', features.Where(feature => feature.Has == has).Select(feature => feature.Name));
        var found = $"{Environment.ProcessorCount} threads; has {(List(true) is { Length: > 0 } has ? has : "none of its vector units")}"
            + (List(false) is { Length: > 0 } lacks ? $"; lacks {lacks}" : "");
        if (OneDnn.UsersLimit is { } limit)
        {
            found += $"; convolutions held to {limit}, as {OneDnn.LimitVariable} says";
        }
        else if (OneDnn.LacksCaches)
        {
            found += $"; does not tell of its caches: convolutions held to {OneDnn.Limit}, which are wrong with avx512";
        }
        return RuntimeInformation.ProcessArchitecture == Architecture.X64 && !Avx2.IsSupported
            ? new("CPU", false, found, Remedy: "without avx2 training on the CPU is several times slower")
            : new("CPU", true, found);
    }

    private static IEnumerable<SystemCheck> Convolution()
    {
        const string Name = "convolution";
        var error = double.NaN;
        try
        {
            error = OneDnn.ErrorOfConvolution(24);
        }
        catch (Exception e) when (e is LibTorchException or TypeInitializationException or DllNotFoundException or EntryPointNotFoundException or ExternalException)
        {
            yield break; // What is wrong with libtorch has been said.
        }
        yield return error < 1e-4
            ? new(Name, true, "24 channels agree with float64", Required: true)
            : new(Name, false, $"24 channels differ from float64 by {error:P0}", Required: true,
                $"features of pictures would be wrong: set {OneDnn.LimitVariable}={OneDnn.Limit}, or SSE41 where that does not help");
    }

    private static HashSet<string> CpuFlags()
    {
        try
        {
            return File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("flags", StringComparison.Ordinal))?
                .Split(' ').ToHashSet() ?? [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static SystemCheck Images()
    {
        const string Name = "libvips";
        try
        {
            return new(Name, true, $"{NetVips.NetVips.Version(0)}.{NetVips.NetVips.Version(1)}.{NetVips.NetVips.Version(2)}", Required: true);
        }
        catch (Exception e) when (e is TypeInitializationException or DllNotFoundException or EntryPointNotFoundException or NetVips.VipsException)
        {
            return new(Name, false, (e.InnerException ?? e).Message.ReplaceLineEndings(" "), Required: true,
                "pictures cannot be decoded: install the program again, or the system's libvips 8.16 or later");
        }
    }

    private static SystemCheck Driver(GpuInventory gpus) => gpus.DriverVersion is { } version
        ? new("CUDA driver", true, $"CUDA up to {version}")
        : new("CUDA driver", false, $"{GpuInventory.DriverName} was not found",
            Remedy: "device cuda cannot be used, the CPU can; with an NVIDIA GPU, install its driver");

    private static SystemCheck Gpus(GpuInventory gpus)
    {
        const string Name = "GPU";
        if (gpus.Gpus.Count == 0)
        {
            return new(Name, false, "the driver knows none", Remedy: "device cuda cannot be used, the CPU can");
        }
        var found = string.Join("; ", gpus.Gpus.Select((gpu, i) => $"cuda:{i} {gpu.Name}, sm_{gpu.Capability.Major}{gpu.Capability.Minor}, {gpu.Bytes >> 30} GiB"));
        try
        {
            return Devices.WhyNoCuda() is { } reason
                ? new(Name, false, found, Remedy: $"device cuda cannot be used: {reason}")
                : new(Name, true, found);
        }
        catch (Exception e) when (e is LibTorchException or TypeInitializationException)
        {
            return new(Name, false, found, Remedy: "device cuda cannot be used without libtorch");
        }
    }

    private static SystemCheck Compiler() => CudaCompiler.Version is { } version
        ? new("NVRTC", true, version.ToString())
        : new("NVRTC", false, CudaCompiler.NotFound,
            Remedy: "our own GPU kernels cannot be compiled; on a GPU, install CUDA's NVRTC or put its folder into the library path");
}
