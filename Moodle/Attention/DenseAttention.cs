using static TorchSharp.torch;

namespace Moodle.Attention;

/// <summary>
/// Exact attention: on a GPU by one packed launch; elsewhere by libtorch's scaled_dot_product_attention, where sequences of the same length that stand next to
/// each other run as one batch, so packing sorted by length never pads.
/// </summary>
/// <param name="causal">Whether a token attends to itself and earlier ones only.</param>
public sealed class DenseAttention(bool causal = false) : IPackedAttention
{
    /// <inheritdoc/>
    public Tensor Attend(Tensor query, Tensor key, Tensor value, PackedSequences sequences)
    {
        ArgumentNullException.ThrowIfNull(query);
        ArgumentNullException.ThrowIfNull(sequences);
        var (heads, size) = (query.shape[1], query.shape[2]);
        if (query.shape[0] != sequences.Tokens)
        {
            throw new ArgumentException($"query has {query.shape[0]} tokens, the sequences {sequences.Tokens}", nameof(query));
        }

        if (PackedFlash.Fits(query))
        {
            return PackedFlash.Attend(query, key, value, sequences, causal);
        }

        var runs = sequences.Runs().ToArray();
        var rows = Array.ConvertAll(runs, run => (long)run.Count * run.Length);
        // Split, not narrow: its gradient is one concatenation instead of a full-size buffer for each run.
        var (queries, keys, values) = (query.split(rows, 0), key.split(rows, 0), value.split(rows, 0));
        var outputs = new Tensor[runs.Length];
        for (var i = 0; i < runs.Length; i++)
        {
            var (count, length) = runs[i];
            Tensor Batch(Tensor part) => part.view(count, length, heads, size).transpose(1, 2); // [count, heads, length, d]
            outputs[i] = nn.functional.scaled_dot_product_attention(Batch(queries[i]), Batch(keys[i]), Batch(values[i]), is_casual: causal)
                .transpose(1, 2).reshape(rows[i], heads, size); // [count * length, heads, d]
        }

        return outputs.Length == 1 ? outputs[0] : cat(outputs, 0);
    }
}
