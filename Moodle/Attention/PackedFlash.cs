using Moodle.Runtime;
using Moodle.Runtime.Cuda;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Attention;

/// <summary>
/// Exact attention over packed sequences by libtorch's flash kernel: one launch whatever the lengths are. scaled_dot_product_attention takes one shape at a
/// time, and cuDNN behind it, though faster at long lengths, plans anew for each, which takes a fifth of a second: a first epoch of documents took minutes on an
/// H100, and encoding 1,453 long documents 15 s.
/// </summary>
internal static class PackedFlash
{
    private static readonly Version s_ampere = new(8, 0);

    private static readonly TorchScript s_script = new("""
        def packed(q: Tensor, k: Tensor, v: Tensor, ends: Tensor, longest: int, causal: bool) -> Tensor:
            return torch._flash_attention_forward(q, k, v, ends, ends, longest, longest, 0.0, causal, False)[0]
        """);

    /// <summary>Whether the kernel takes such tensors: bfloat16 or float16 on a GPU since Ampere, heads of a multiple of 8 up to 256.</summary>
    public static bool Fits(Tensor query) =>
        query.device_type == DeviceType.CUDA && query.dtype is ScalarType.BFloat16 or ScalarType.Float16
        && query.shape[2] % 8 == 0 && query.shape[2] <= 256 && CudaDriver.Device(query.device_index).Capability >= s_ampere;

    /// <summary>softmax(q kᵀ / √d) v within each sequence, recorded by autograd.</summary>
    /// <param name="query">[tokens, heads, d].</param>
    /// <param name="key">The same.</param>
    /// <param name="value">The same.</param>
    /// <param name="sequences">Where sequences begin and end.</param>
    /// <param name="causal">Whether a token attends to itself and earlier ones only.</param>
    /// <returns>[tokens, heads, d].</returns>
    public static Tensor Attend(Tensor query, Tensor key, Tensor value, PackedSequences sequences, bool causal)
    {
        var ends = tensor(sequences.Offsets.AsSpan().ToArray()).Upload(query.device); // int32 [sequences + 1]; autograd keeps it
        return (Tensor)s_script.Invoke("packed", query, key, value, ends, (long)sequences.Lengths.Max(), causal)!;
    }
}
