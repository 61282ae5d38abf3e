using System.Collections.Immutable;
using Moodle.Attention;
using Moodle.Configuration;
using Moodle.Modalities;
using static TorchSharp.torch;

namespace Moodle.Encoders.Pretrained;

/// <summary>Documents through a pre-trained text encoder, packed without padding.</summary>
public sealed class PretrainedTextEncoder : IFrozenEncoder
{
    // Tokens between the special ones, which every document has.
    private const int Special = 2;
    private readonly PretrainedTextModel _model;
    private readonly TokenPooling _pooling;
    private readonly Device _device;
    private readonly int[][] _documents;

    /// <summary>Reads the network and tokenizes the documents.</summary>
    /// <param name="config">The network; its path is set.</param>
    /// <param name="documents">One for each entity.</param>
    /// <param name="maxTokens">The limit of a document's tokens, special ones included; the rest is cut.</param>
    /// <param name="attention">Attention over all tokens of a document.</param>
    /// <param name="device">Where it computes.</param>
    /// <exception cref="InputException">The folder cannot be used, or the limit is beyond the network's positions.</exception>
    public PretrainedTextEncoder(PretrainedTextConfig config, ImmutableArray<string> documents, int maxTokens, IPackedAttention attention, Device device)
    {
        ArgumentNullException.ThrowIfNull(config);
        (_pooling, _device) = (config.Pooling, device);
        var tokenizer = PretrainedTokenizer.Open(config.Path!);
        _model = PretrainedTextModel.Open(config.Path!, config.Interpolate, attention, device);
        try
        {
            if (_model.Positions < maxTokens)
            {
                throw new InputException($"text.document.max_tokens: is {maxTokens}, but {_model.Architecture} ({config.Path}) has {_model.Positions} positions; "
                    + "lower it, take an encoder without that limit (modernbert), or set text.encoder.pretrained.interpolate: true to stretch its positions");
            }

            if (tokenizer.Count > _model.VocabularySize)
            {
                throw new InputException($"{config.Path}: the tokenizer has {tokenizer.Count} tokens, the network {_model.VocabularySize}; use the files of one model");
            }

            _documents = new int[documents.Length][];
            Parallel.For(0, documents.Length, entity => _documents[entity] = tokenizer.Encode(documents[entity], maxTokens));
            // Documents of one length together: attention then runs in few batches, and nothing is padded.
            Entities = [.. Enumerable.Range(0, documents.Length).Where(entity => _documents[entity].Length > Special).OrderBy(entity => _documents[entity].Length)];
        }
        catch
        {
            _model.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public int FeatureSize => _model.HiddenSize;

    /// <inheritdoc/>
    public string Unit => "documents";

    /// <inheritdoc/>
    public IReadOnlyList<int> Entities { get; }

    /// <inheritdoc/>
    public int BatchCost => 8192;

    /// <summary>The documents' tokens in words: the architecture, and how long documents are.</summary>
    public string Summary => Entities.Count == 0 ? $"{_model.Architecture}; no documents"
        : $"{_model.Architecture}; documents of {_documents[Entities[Entities.Count / 2]].Length} tokens (median), {_documents[Entities[^1]].Length} (longest)";

    /// <inheritdoc/>
    public int Cost(int entity) => _documents[entity].Length;

    /// <inheritdoc/>
    public int Inputs(int entity) => 1;

    /// <inheritdoc/>
    public FrozenBatch Prepare(IReadOnlyList<int> entities, CancellationToken cancellation) => new Batch(entities);

    /// <inheritdoc/>
    public Tensor Encode(FrozenBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var sequences = new PackedSequences(batch.Entities.Select(entity => _documents[entity].Length));
        var ids = batch.Entities.SelectMany(entity => _documents[entity]).Select(id => (long)id).ToArray();
        var states = _model.Forward(tensor(ids, device: _device), sequences); // [tokens, hidden]
        if (_pooling == TokenPooling.Cls)
        {
            var firsts = sequences.Offsets.Take(sequences.Count).Select(offset => (long)offset).ToArray();
            return states.index_select(0, tensor(firsts, device: _device)).cpu().MoveToOuterDisposeScope();
        }

        var owners = sequences.Lengths.SelectMany((length, row) => Enumerable.Repeat((long)row, length)).ToArray();
        var sums = zeros(sequences.Count, FeatureSize, device: _device).index_add(0, tensor(owners, device: _device), states, 1);
        var lengths = tensor(sequences.Lengths.Select(length => (float)length).ToArray(), device: _device).unsqueeze(1);
        return (sums / lengths).cpu().MoveToOuterDisposeScope(); // [entities, hidden]
    }

    /// <inheritdoc/>
    public void Dispose() => _model.Dispose();

    private sealed record Batch(IReadOnlyList<int> Entities) : FrozenBatch(Entities, []);
}
