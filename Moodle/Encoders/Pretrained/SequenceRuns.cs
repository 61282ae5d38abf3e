using Moodle.Attention;
using static TorchSharp.torch;

namespace Moodle.Encoders.Pretrained;

/// <summary>Attention over packed sequences as dense batches: neighbours of one length together, so that nothing is padded.</summary>
internal static class SequenceRuns
{
    /// <summary>Applies a function of [count, heads, length, d] queries, keys and values to every run of sequences of one length.</summary>
    /// <returns>[tokens, heads, d].</returns>
    public static Tensor Map(Tensor query, Tensor key, Tensor value, PackedSequences sequences, Func<Tensor, Tensor, Tensor, Tensor> attend)
    {
        var (heads, size) = (query.shape[1], query.shape[2]);
        var outputs = new List<Tensor>();
        var first = 0L;
        foreach (var (count, length) in sequences.Runs())
        {
            var rows = (long)count * length;
            Tensor Batch(Tensor part) => part.narrow(0, first, rows).view(count, length, heads, size).transpose(1, 2); // [count, heads, length, d]
            outputs.Add(attend(Batch(query), Batch(key), Batch(value)).transpose(1, 2).reshape(rows, heads, size));
            first += rows;
        }

        return outputs.Count == 1 ? outputs[0] : cat(outputs, 0);
    }
}
