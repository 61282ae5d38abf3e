using Moodle.Runtime.Cuda;
using static TorchSharp.torch;

namespace Moodle.Attention.Cuda;

/// <summary>
/// Kernels, with their layouts, that were used lately: the layers of an encoder, and the calls of a measurement, ask for the same ones. They hold no state of a
/// call and may be used by several at once.
/// </summary>
internal static class KernelCache
{
    private const int Most = 64;
    private static readonly Lock s_lock = new();
    private static readonly Dictionary<Key, Kernels> s_kernels = [];

    /// <summary>The kernels for some sequences.</summary>
    /// <param name="lengths">Their lengths.</param>
    /// <param name="heads">Heads.</param>
    /// <param name="size">Size of a head, 64 or 128.</param>
    /// <param name="type">bfloat16 or float16.</param>
    /// <param name="packed">Whether tensors are [tokens, heads, d]; else [batch, heads, n, d].</param>
    /// <param name="options">Options.</param>
    /// <param name="device">The GPU's number.</param>
    /// <exception cref="CudaException">The kernels cannot be compiled or loaded.</exception>
    public static Kernels Of(int[] lengths, int heads, int size, ScalarType type, bool packed, AnchorAttentionOptions options, int device)
    {
        var key = new Key(new SequenceLengths(lengths), heads, size, type, packed, options, device);
        lock (s_lock)
        {
            if (!s_kernels.TryGetValue(key, out var kernels))
            {
                if (s_kernels.Count == Most)
                {
                    s_kernels.Clear(); // their tables go with them, when nobody uses them any more
                }

                var own = lengths.ToArray();
                var gpu = new Device(TorchSharp.DeviceType.CUDA, device);
                var layout = new KernelLayout(own, heads, size, packed, options, CudaAttention.MostMaskBytes, gpu, AttentionKernels.IsHopper(CudaDriver.Device(device)));
                kernels = new Kernels(new CudaAttention(layout, size, type, options, gpu), layout, options);
                s_kernels[key with { Lengths = new SequenceLengths(own) }] = kernels;
            }

            return kernels;
        }
    }

    private readonly record struct Key(SequenceLengths Lengths, int Heads, int Size, ScalarType Type, bool Packed, AnchorAttentionOptions Options, int Device);
}
