using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Attention;

/// <summary>Attention with bfloat16 queries, keys and values; what comes back has the type of what was given. A GPU computes so several times as fast.</summary>
/// <param name="inner">Attends.</param>
/// <param name="onGpuOnly">Whether the CPU's tensors stay as they are.</param>
public sealed class RoundedAttention(IPackedAttention inner, bool onGpuOnly) : IPackedAttention
{
    /// <inheritdoc/>
    public Tensor Attend(Tensor query, Tensor key, Tensor value, PackedSequences sequences)
    {
        ArgumentNullException.ThrowIfNull(query);
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(value);
        if (query.dtype != ScalarType.Float32 || (onGpuOnly && query.device_type != DeviceType.CUDA))
        {
            return inner.Attend(query, key, value, sequences);
        }

        using var scope = NewDisposeScope();
        static Tensor Round(Tensor x) => x.to(ScalarType.BFloat16);
        return inner.Attend(Round(query), Round(key), Round(value), sequences).to(query.dtype).MoveToOuterDisposeScope();
    }
}
