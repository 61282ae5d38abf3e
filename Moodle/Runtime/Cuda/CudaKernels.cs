using System.Collections.Concurrent;
using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Runtime.Cuda;

/// <summary>The kernels of an embedded source, one module for each device, made at first use.</summary>
/// <param name="resource">The source's name in this assembly, such as <c>Moodle.Models.Kernels.training.cu</c>.</param>
internal sealed class CudaKernels(string resource)
{
    private readonly ConcurrentDictionary<int, CudaModule?> _modules = new();

    /// <summary>The kernels for a device; null where they cannot run, so that libtorch's operations take their place.</summary>
    public CudaModule? For(Device device) => device.type != DeviceType.CUDA ? null : _modules.GetOrAdd(Math.Max(0, device.index), index =>
    {
        if (CudaSupport.WhyNot(new Device(DeviceType.CUDA, index)) is not null)
        {
            return null;
        }

        using var reader = new StreamReader(typeof(CudaKernels).Assembly.GetManifestResourceStream(resource)
            ?? throw new InvalidOperationException($"{resource} is not embedded"));
        var gpu = CudaDriver.Device(index);
        var architecture = string.Create(CultureInfo.InvariantCulture, $"sm_{gpu.Capability.Major}{gpu.Capability.Minor}");
        return CudaModule.Load(gpu, resource, reader.ReadToEnd(), architecture, []);
    });
}
