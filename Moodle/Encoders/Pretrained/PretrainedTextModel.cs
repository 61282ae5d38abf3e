using Moodle.Attention;
using static TorchSharp.torch;

namespace Moodle.Encoders.Pretrained;

/// <summary>A pre-trained text transformer, frozen, over documents packed without padding.</summary>
public abstract class PretrainedTextModel : IDisposable
{
    /// <summary>The architecture as <c>config.json</c> names it.</summary>
    public abstract string Architecture { get; }

    /// <summary>Length of a token's vector.</summary>
    public abstract int HiddenSize { get; }

    /// <summary>The number of different token ids.</summary>
    public abstract int VocabularySize { get; }

    /// <summary>The most tokens of a document, special ones included; null where positions are relative and have no end.</summary>
    public abstract int? Positions { get; }

    /// <summary>Last hidden states.</summary>
    /// <param name="ids">int64 [tokens].</param>
    /// <param name="sequences">Where documents begin and end.</param>
    /// <returns>float32 [tokens, <see cref="HiddenSize"/>].</returns>
    public abstract Tensor Forward(Tensor ids, PackedSequences sequences);

    /// <summary>Reads a network.</summary>
    /// <param name="path">A folder as <see cref="PretrainedFolder"/> describes.</param>
    /// <param name="interpolate">Whether learned positions are stretched over documents that are longer than them.</param>
    /// <param name="attention">Attention over all tokens of a document.</param>
    /// <param name="device">Where it computes.</param>
    /// <exception cref="InputException">It cannot be read, is of another architecture, or weights and configuration do not fit.</exception>
    public static PretrainedTextModel Open(string path, bool interpolate, IPackedAttention attention, Device device)
    {
        using var folder = PretrainedFolder.Open(path);
        var config = folder.Config ?? throw new InputException($"{path}: is no folder; expected a text encoder's, with config.json, weights and tokenizer");
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        return config.OneOf("model_type", null, "bert", "distilbert", "mpnet", "modernbert") == "modernbert"
            ? new ModernBertModel(folder, config, attention, device)
            : new BertModel(folder, config, interpolate, attention, device);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the weights.</summary>
    protected abstract void Dispose(bool disposing);

    /// <summary>The positions 0, 1, 2, ... of each sequence's tokens.</summary>
    internal static long[] PositionsOf(PackedSequences sequences)
    {
        var positions = new long[sequences.Tokens];
        for (var s = 0; s < sequences.Count; s++)
        {
            for (var i = 0; i < sequences.Lengths[s]; i++)
            {
                positions[sequences.Offsets[s] + i] = i;
            }
        }

        return positions;
    }
}
