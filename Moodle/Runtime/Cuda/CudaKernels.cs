using System.Collections.Concurrent;
using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Runtime.Cuda;

/// <summary>The kernels of embedded sources, one module for each device, made at first use.</summary>
/// <param name="resources">The sources' names in this assembly, such as <c>Moodle.Models.Kernels.training.cu</c>; they are compiled as one, in this order.</param>
internal sealed class CudaKernels(params string[] resources)
{
    private readonly ConcurrentDictionary<int, CudaModule?> _modules = new();

    /// <summary>The kernels for a device; null where they cannot run, so that libtorch's operations take their place.</summary>
    public CudaModule? For(Device device) => device.type != DeviceType.CUDA ? null : _modules.GetOrAdd(Math.Max(0, device.index), index =>
    {
        if (CudaSupport.WhyNot(new Device(DeviceType.CUDA, index)) is not null)
        {
            return null;
        }

        var gpu = CudaDriver.Device(index);
        var architecture = string.Create(CultureInfo.InvariantCulture, $"sm_{gpu.Capability.Major}{gpu.Capability.Minor}");
        return CudaModule.Load(gpu, resources[^1], string.Join('\n', resources.Select(Read)), architecture, []);
    });

    private static string Read(string resource)
    {
        using var reader = new StreamReader(typeof(CudaKernels).Assembly.GetManifestResourceStream(resource) ?? throw new InvalidOperationException($"{resource} is not embedded"));
        return reader.ReadToEnd();
    }
}
