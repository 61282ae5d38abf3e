using static TorchSharp.torch;

namespace Moodle.Attention;

/// <summary>Multi-head attention within each of several packed sequences: the seam between the encoders and the implementations.</summary>
public interface IPackedAttention
{
    /// <summary>softmax(q kᵀ / √d) v for every head, each token attending to all tokens of its own sequence and no other.</summary>
    /// <param name="query">[tokens, heads, d].</param>
    /// <param name="key">[tokens, heads, d].</param>
    /// <param name="value">[tokens, heads, d].</param>
    /// <param name="sequences">Where sequences begin and end.</param>
    /// <returns>[tokens, heads, d].</returns>
    Tensor Attend(Tensor query, Tensor key, Tensor value, PackedSequences sequences);
}
