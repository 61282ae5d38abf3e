using Moodle.Attention;
using Moodle.Configuration;
using Moodle.Modalities;
using Moodle.Runtime;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Encoders;

/// <summary>
/// A transformer over entities' documents, packed without padding; a document's feature vector is the mean of its tokens' last
/// hidden states, each weighed by how telling it is (learned; all alike at the start).
/// </summary>
public sealed class TextEncoder : nn.Module, IEntityEncoder
{
    // A token weighs at most e⁴ times what it weighs at the start, so that no exponential overflows.
    private const double MaxLogWeight = 4;
    private readonly TokenizedDocuments _documents;
    private readonly int _headSize;
    private readonly double _tokenDropout;
    private readonly Parameter tokens;
    private readonly ModuleList<TransformerLayer> layers;
    private readonly LayerNorm norm;
    private readonly Linear weight;

    /// <summary>Creates an encoder with random weights from torch's generator.</summary>
    /// <param name="config">Sizes.</param>
    /// <param name="documents">The documents that it encodes.</param>
    /// <param name="attention">The attention of each layer, such as <see cref="LayerAttention"/> chooses.</param>
    public TextEncoder(TextEncoderConfig config, TokenizedDocuments documents, Func<int, IPackedAttention> attention) : base(nameof(TextEncoder))
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(documents);
        ArgumentNullException.ThrowIfNull(attention);
        (_documents, FeatureSize, _headSize, _tokenDropout) = (documents, config.HiddenSize, config.HiddenSize / config.Heads, config.TokenDropout);
        // Small, so that AdamW's steps of one size turn a word's vector soon.
        tokens = nn.Parameter(randn(documents.VocabularySize, config.HiddenSize).mul_(0.05));
        layers = nn.ModuleList(Enumerable.Range(0, config.Layers).Select(layer =>
            new TransformerLayer(config.HiddenSize, config.Heads, config.FeedForwardSize, config.Dropout, attention(layer), config.Precision)).ToArray());
        norm = nn.LayerNorm(config.HiddenSize);
        weight = nn.Linear(config.HiddenSize, 1, hasBias: false);
        nn.init.zeros_(weight.weight!);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public int FeatureSize { get; }

    /// <inheritdoc/>
    public bool Has(int entity) => _documents[entity].Length > 0;

    /// <inheritdoc/>
    public int Cost(int entity) => _documents[entity].Length;

    /// <inheritdoc/>
    public Tensor Encode(ReadOnlySpan<int> entities)
    {
        using var scope = NewDisposeScope();
        // In training the batch's entities are asked for each other.
        HashSet<int> asked = training && _documents.HaveFacts ? [.. entities] : [];
        var documents = new int[entities.Length][];
        for (var i = 0; i < documents.Length; i++)
        {
            documents[i] = _documents.Without(entities[i], asked);
        }

        var packed = new PackedDocuments(documents, training ? _tokenDropout : 0);
        var sequences = packed.Sequences;
        // Of each sequence its length, where it begins and whose it is. What the device can make of that is not sent there for each token; with the sum given, repeating waits for nothing.
        var device = tokens.device;
        var each = tensor([.. sequences.Lengths.Select(length => (long)length), .. sequences.Offsets.Take(sequences.Count).Select(offset => (long)offset), .. packed.Places])
            .reshape(3, sequences.Count).Upload(device);
        var (firsts, owners) = (OfTokens(1), OfTokens(2));
        Tensor OfTokens(int row) => each[row].repeat_interleave(each[0], output_size: sequences.Tokens); // [tokens]

        var rotary = new RotaryPositions(arange(sequences.Tokens, device: device) - firsts, _headSize);
        var x = tokens.index_select(0, packed.Ids.Upload(device)); // [tokens, hidden]
        foreach (var layer in layers)
        {
            x = layer.Forward(x, sequences, rotary);
        }

        x = norm.forward(x);
        var shares = (MaxLogWeight * (weight.forward(x) / MaxLogWeight).tanh()).exp(); // [tokens, 1]
        var sums = zeros(entities.Length, FeatureSize, device: device).index_add(0, owners, x * shares, 1); // [entities, hidden]
        var totals = zeros(entities.Length, 1, device: device).index_add(0, owners, shares, 1); // [entities, 1]
        return (sums / totals).MoveToOuterDisposeScope();
    }
}
