using System.Runtime.InteropServices;
using Moodle.Attention;
using static TorchSharp.torch;

namespace Moodle.Encoders;

/// <summary>
/// The token ids of a batch's documents without padding, shortest first: documents of one length stand together. Tokens are written straight into the tensor, as
/// an array of all of them in each step would go to the large object heap.
/// </summary>
internal sealed class PackedDocuments
{
    /// <summary>Packs documents. The tensor belongs to the caller's DisposeScope.</summary>
    /// <param name="documents">Token ids of each; none is empty.</param>
    /// <param name="dropout">
    /// The share of tokens that are left out, not masked: a shorter document costs less. Draws from torch's generator, where it is above 0; a document that would lose
    /// all of its tokens keeps them.
    /// </param>
    public PackedDocuments(int[][] documents, double dropout)
    {
        using var draws = dropout > 0 ? rand(documents.Sum(document => document.Length)) : null;
        var (lengths, starts, drawn) = (new int[documents.Length], new int[documents.Length], 0);
        for (var i = 0; i < documents.Length; i++)
        {
            (starts[i], drawn) = (drawn, drawn + documents[i].Length);
            var kept = 0;
            foreach (var draw in DrawsOf(i))
            {
                kept += draw >= dropout ? 1 : 0;
            }

            lengths[i] = kept > 0 ? kept : documents[i].Length;
        }

        Places = [.. Enumerable.Range(0, documents.Length).OrderBy(place => lengths[place])];
        Sequences = new PackedSequences(Places.Select(place => lengths[place]));
        Ids = empty(Sequences.Tokens, dtype: ScalarType.Int32);
        var packed = MemoryMarshal.Cast<byte, int>(Ids.bytes);
        for (var s = 0; s < Places.Count; s++)
        {
            var document = documents[Places[s]];
            var next = Sequences.Offsets[s];
            if (Sequences.Lengths[s] == document.Length)
            {
                document.CopyTo(packed[next..]);
                continue;
            }

            var draw = DrawsOf(Places[s]);
            for (var i = 0; i < document.Length; i++)
            {
                if (draw[i] >= dropout)
                {
                    packed[next++] = document[i];
                }
            }
        }

        ReadOnlySpan<float> DrawsOf(int document) => draws is null ? [] : MemoryMarshal.Cast<byte, float>(draws.bytes).Slice(starts[document], documents[document].Length);
    }

    /// <summary>int32 [tokens], on the CPU.</summary>
    public Tensor Ids { get; }

    /// <summary>Where documents begin and end.</summary>
    public PackedSequences Sequences { get; }

    /// <summary>For each sequence the place of its document among those given.</summary>
    public IReadOnlyList<int> Places { get; }
}
