using System.Globalization;
using Moodle.Runtime.Cuda;
using static TorchSharp.torch;

namespace Moodle.Attention.Cuda;

/// <summary>Layouts that were used lately: the layers of an encoder, and the batches of a measurement, ask for the same ones.</summary>
internal static class LayoutCache
{
    private const int Most = 64;
    private static readonly Lock s_lock = new();
    private static readonly Dictionary<Key, KernelLayout> s_layouts = [];

    /// <summary>A layout.</summary>
    /// <inheritdoc cref="KernelLayout(IReadOnlyList{int}, int, int, bool, AnchorAttentionOptions, long, Device, bool)"/>
    public static KernelLayout Of(IReadOnlyList<int> lengths, int heads, int size, bool packed, AnchorAttentionOptions options, Device device)
    {
        var key = new Key(string.Join(' ', lengths.Select(length => length.ToString(CultureInfo.InvariantCulture))), heads, size, packed, options, device.index);
        lock (s_lock)
        {
            if (!s_layouts.TryGetValue(key, out var layout))
            {
                if (s_layouts.Count == Most)
                {
                    s_layouts.Clear(); // their tables go with them, when nobody uses them any more
                }

                layout = s_layouts[key] = new KernelLayout(lengths, heads, size, packed, options, CudaAttention.MostMaskBytes, device, AttentionKernels.IsHopper(CudaDriver.Device(device.index)));
            }

            return layout;
        }
    }

    private readonly record struct Key(string Lengths, int Heads, int Size, bool Packed, AnchorAttentionOptions Options, int Device);
}
