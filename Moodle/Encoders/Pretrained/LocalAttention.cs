using Moodle.Attention;
using static TorchSharp.torch;

namespace Moodle.Encoders.Pretrained;

/// <summary>
/// Exact attention of each token to those at most <paramref name="reach"/> tokens away. Long sequences are cut into blocks of that many
/// tokens, each of which sees itself and its two neighbours: cost and memory grow with the length, not with its square.
/// </summary>
/// <param name="reach">Tokens seen on each side.</param>
internal sealed class LocalAttention(int reach) : IPackedAttention
{
    /// <inheritdoc/>
    public Tensor Attend(Tensor query, Tensor key, Tensor value, PackedSequences sequences) => SequenceRuns.Map(query, key, value, sequences, (q, k, v) =>
        q.shape[2] <= reach + 1 ? nn.functional.scaled_dot_product_attention(q, k, v) : Blocks(q, k, v));

    private Tensor Blocks(Tensor query, Tensor key, Tensor value)
    {
        var (count, heads, length, size) = (query.shape[0], query.shape[1], query.shape[2], query.shape[3]);
        long block = Math.Max(1, reach);
        var blocks = (length + block - 1) / block;
        var filled = (blocks * block) - length;
        var queries = nn.functional.pad(query, [0, 0, 0, filled]).reshape(count * heads, blocks, block, size);
        // The neighbours of block b begin a block earlier: at b in what is padded by a block at the front.
        Tensor Neighbours(Tensor x) => nn.functional.pad(x, [0, 0, block, block + filled]).reshape(count * heads, (blocks + 2) * block, size)
            .unfold(1, 3 * block, block).transpose(2, 3); // [count * heads, blocks, 3 block, d]
        var at = arange(blocks * block, device: query.device).view(blocks, block, 1);
        var seen = ((arange(blocks, device: query.device) * block) - block).view(blocks, 1, 1) + arange(3 * block, device: query.device); // [blocks, 1, 3 block]
        // What fills the last block sees itself, since a softmax over nothing is no number.
        var mask = ((seen - at).abs() <= reach).logical_and(seen >= 0).logical_and((seen < length).logical_or(seen == at)); // [blocks, block, 3 block]
        return nn.functional.scaled_dot_product_attention(queries, Neighbours(key), Neighbours(value), attn_mask: mask.unsqueeze(0))
            .reshape(count, heads, blocks * block, size).narrow(2, 0, length);
    }
}
