using System.Collections.Concurrent;
using System.Globalization;
using Moodle.Runtime.Cuda;
using static TorchSharp.torch;

namespace Moodle.Attention.Cuda;

/// <summary>The compiled kernels of Kernels/*.cu, one module for each device, size of a head, type and direction, made at first use.</summary>
internal static class AttentionKernels
{
    private const string Resources = "Moodle.Attention.Kernels.";
    private static readonly string[] s_files = ["prelude.cu", "forward.cu", "units.cu", "forward_wide.cu", "select.cu", "query_backward.cu", "query_wide.cu", "key_backward.cu"];
    private static readonly Lazy<string> s_source = new(() => string.Join('\n', s_files.Select(Read)));
    private static readonly ConcurrentDictionary<(int Device, int Size, ScalarType Type, bool Causal), Lazy<CudaModule>> s_modules = new();

    /// <summary>Whether they are compiled with wgmma, which only compute capability 9.0 has; others take mma.sync.</summary>
    public static bool IsHopper(CudaDevice device) => device.Capability == new Version(9, 0) && CudaCompiler.Version?.Major >= 12;

    /// <summary>Whether they know these tensors: bfloat16 or float16, heads of 64 or 128.</summary>
    public static bool Takes(ScalarType type, long size) => type is ScalarType.BFloat16 or ScalarType.Float16 && size is 64 or 128;

    /// <summary>The kernels for some tensors.</summary>
    /// <exception cref="CudaException">They cannot be compiled or loaded.</exception>
    public static CudaModule For(Device device, int size, ScalarType type, bool causal) => s_modules.GetOrAdd((device.index, size, type, causal), static key => new(() => Load(key.Device, key.Size, key.Type, key.Causal))).Value;

    private static CudaModule Load(int index, int size, ScalarType type, bool causal)
    {
        var device = CudaDriver.Device(index);
        var architecture = string.Create(CultureInfo.InvariantCulture, $"sm_{device.Capability.Major}{device.Capability.Minor}{(IsHopper(device) ? "a" : "")}");
        return CudaModule.Load(device, "anchor_attention.cu", s_source.Value, architecture, Options(size, type, causal));
    }

    private static string[] Options(int size, ScalarType type, bool causal) =>
        [$"-DD={size}", $"-DF16={(type == ScalarType.Float16 ? 1 : 0)}", $"-DCAUSAL={(causal ? 1 : 0)}"];

    private static string Read(string file)
    {
        using var stream = typeof(AttentionKernels).Assembly.GetManifestResourceStream(Resources + file)
            ?? throw new InvalidOperationException($"{file} is not embedded");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
