using Moodle.Attention;
using static TorchSharp.torch;

namespace Moodle.Encoders.Pretrained;

/// <summary>
/// Exact attention with a learned bias for each head and each bucket of how far the key stands from the query (Raffel et al. 2020):
/// half of the buckets for each side, the near half of those for one distance each, the others for distances that grow to 128 by
/// equal factors.
/// </summary>
internal sealed class RelativeAttention(Tensor bias) : IPackedAttention
{
    private const int Farthest = 128;

    /// <inheritdoc/>
    public Tensor Attend(Tensor query, Tensor key, Tensor value, PackedSequences sequences) => SequenceRuns.Map(query, key, value, sequences, (q, k, v) =>
        nn.functional.scaled_dot_product_attention(q, k, v, attn_mask: BiasOf((int)q.shape[2])));

    /// <summary>The bucket of a distance (key's position minus query's).</summary>
    internal static int Bucket(int distance, int buckets)
    {
        var side = buckets / 2;
        var (offset, far, near) = (distance > 0 ? side : 0, Math.Abs(distance), side / 2);
        if (far < near)
        {
            return offset + far;
        }

        var step = (float)(Math.Log((double)far / near) / Math.Log((double)Farthest / near) * (side - near));
        return offset + Math.Min(side - 1, near + (int)step);
    }

    // [1, heads, length, length].
    private Tensor BiasOf(int length)
    {
        var buckets = (int)bias.shape[0];
        var rows = new long[(2 * length) - 1];
        for (var i = 0; i < rows.Length; i++)
        {
            rows[i] = Bucket(i - (length - 1), buckets);
        }

        // Distance j - i stands in row (j - i) + length - 1.
        var places = arange(length, device: bias.device).unsqueeze(0) - arange(length, device: bias.device).unsqueeze(1) + (length - 1);
        var byDistance = bias.index_select(0, tensor(rows, device: bias.device)); // [2 length - 1, heads]
        return byDistance.index_select(0, places.reshape(-1)).view(length, length, -1).permute(2, 0, 1).unsqueeze(0).contiguous();
    }
}
