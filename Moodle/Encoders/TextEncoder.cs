using Moodle.Attention;
using Moodle.Configuration;
using Moodle.Modalities;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Encoders;

/// <summary>
/// A transformer over entities' documents, packed without padding; a document's feature vector is the mean of its tokens' last
/// hidden states.
/// </summary>
public sealed class TextEncoder : nn.Module, IEntityEncoder
{
    private readonly TokenizedDocuments _documents;
    private readonly int _headSize;
    private readonly Parameter tokens;
    private readonly ModuleList<TransformerLayer> layers;
    private readonly LayerNorm norm;

    /// <summary>Creates an encoder with random weights from torch's generator.</summary>
    public TextEncoder(TextEncoderConfig config, TokenizedDocuments documents, IPackedAttention attention) : base(nameof(TextEncoder))
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(documents);
        (_documents, FeatureSize, _headSize) = (documents, config.HiddenSize, config.HiddenSize / config.Heads);
        tokens = nn.Parameter(randn(documents.VocabularySize, config.HiddenSize).mul_(0.05));
        layers = nn.ModuleList(Enumerable.Range(0, config.Layers).Select(_ =>
            new TransformerLayer(config.HiddenSize, config.Heads, config.FeedForwardSize, config.Dropout, attention)).ToArray());
        norm = nn.LayerNorm(config.HiddenSize);
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
        var order = entities.ToArray();
        var places = Enumerable.Range(0, order.Length).ToArray();
        // Sorted by length, documents of one length stand together and attention needs no padding.
        Array.Sort(places, (a, b) => (_documents[order[a]].Length, a).CompareTo((_documents[order[b]].Length, b)));
        var sequences = new PackedSequences(places.Select(place => _documents[order[place]].Length));

        var (ids, positions, owners) = (new long[sequences.Tokens], new long[sequences.Tokens], new long[sequences.Tokens]);
        var lengths = new float[order.Length];
        for (var s = 0; s < places.Length; s++)
        {
            var document = _documents[order[places[s]]];
            lengths[places[s]] = document.Length;
            for (var i = 0; i < document.Length; i++)
            {
                var row = sequences.Offsets[s] + i;
                (ids[row], positions[row], owners[row]) = (document[i], i, places[s]);
            }
        }

        var device = tokens.device;
        var rotary = new RotaryPositions(tensor(positions, device: device), _headSize);
        var x = tokens.index_select(0, tensor(ids, device: device)); // [tokens, hidden]
        foreach (var layer in layers)
        {
            x = layer.Forward(x, sequences, rotary);
        }

        var sums = zeros(order.Length, FeatureSize, device: device)
            .index_add(0, tensor(owners, device: device), norm.forward(x), 1); // [entities, hidden]
        return (sums / tensor(lengths, device: device).unsqueeze(1)).MoveToOuterDisposeScope();
    }
}
