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
        var asked = training && _documents.HaveFacts ? new HashSet<int>(entities.ToArray()) : null;
        var documents = new int[entities.Length][];
        for (var i = 0; i < documents.Length; i++)
        {
            documents[i] = asked is null ? _documents[entities[i]].ToArray() : _documents.Without(entities[i], asked);
        }

        if (training && _tokenDropout > 0)
        {
            LeaveOutTokens(documents);
        }

        var places = Enumerable.Range(0, documents.Length).ToArray();
        // Sorted by length, documents of one length stand together and attention needs no padding.
        Array.Sort(places, (a, b) => (documents[a].Length, a).CompareTo((documents[b].Length, b)));
        var sequences = new PackedSequences(places.Select(place => documents[place].Length));

        // int32: what goes to a device in each step should be small.
        var (ids, positions, owners) = (new int[sequences.Tokens], new int[sequences.Tokens], new int[sequences.Tokens]);
        var ramp = Enumerable.Range(0, sequences.Lengths[^1]).ToArray(); // the longest document is the last
        for (var s = 0; s < places.Length; s++)
        {
            var (document, first) = (documents[places[s]], sequences.Offsets[s]);
            document.CopyTo(ids, first);
            ramp.AsSpan(0, document.Length).CopyTo(positions.AsSpan(first));
            owners.AsSpan(first, document.Length).Fill(places[s]);
        }

        var device = tokens.device;
        var rotary = new RotaryPositions(tensor(positions).Upload(device), _headSize);
        var x = tokens.index_select(0, tensor(ids).Upload(device)); // [tokens, hidden]
        foreach (var layer in layers)
        {
            x = layer.Forward(x, sequences, rotary);
        }

        x = norm.forward(x);
        var shares = (MaxLogWeight * (weight.forward(x) / MaxLogWeight).tanh()).exp(); // [tokens, 1]
        var rows = tensor(owners).Upload(device).to(ScalarType.Int64);
        var sums = zeros(documents.Length, FeatureSize, device: device).index_add(0, rows, x * shares, 1); // [entities, hidden]
        var totals = zeros(documents.Length, 1, device: device).index_add(0, rows, shares, 1); // [entities, 1]
        return (sums / totals).MoveToOuterDisposeScope();
    }

    // Left out, not masked: a shorter document costs less. Draws from torch's generator, which each step seeds.
    private void LeaveOutTokens(int[][] documents)
    {
        using var draws = rand(documents.Sum(document => document.Length));
        var (draw, next) = (draws.data<float>().ToArray(), 0);
        for (var i = 0; i < documents.Length; i++)
        {
            var document = documents[i];
            var (kept, count) = (new int[document.Length], 0);
            foreach (var token in document)
            {
                kept[count] = token;
                count += draw[next++] >= _tokenDropout ? 1 : 0;
            }

            documents[i] = count > 0 ? kept[..count] : document;
        }
    }
}
