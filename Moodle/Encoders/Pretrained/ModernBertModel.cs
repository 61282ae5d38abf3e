using Moodle.Attention;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Encoders.Pretrained;

/// <summary>
/// ModernBERT (Warner et al. 2024): pre-norm, rotary positions, gated feed-forward, and attention that sees the whole document in some
/// layers and a window in the others. Global layers go through <see cref="IPackedAttention"/>, where a sparse one can take over.
/// </summary>
internal sealed class ModernBertModel : PretrainedTextModel
{
    private readonly PretrainedWeights _weights;
    private readonly IPackedAttention _global;
    private readonly LocalAttention _local;
    private readonly Func<Tensor, Tensor> _activation;
    private readonly Tensor _tokens;
    private readonly Norm _norm;
    private readonly Norm _finalNorm;
    private readonly Layer[] _layers;
    private readonly int _heads;
    private readonly (double Global, double Local) _bases;

    public ModernBertModel(PretrainedFolder folder, JsonFile config, IPackedAttention attention, Device device)
    {
        HiddenSize = config.Whole("hidden_size", 1, 1 << 16);
        _heads = config.Whole("num_attention_heads", 1, HiddenSize);
        if (HiddenSize % _heads != 0 || HiddenSize / _heads % 2 != 0)
        {
            throw config.Problem("hidden_size", $"is {HiddenSize}, which cannot be divided among {_heads} heads into even sizes");
        }

        var count = config.Whole("num_hidden_layers", 0, 1000);
        var inner = config.Whole("intermediate_size", 1, 1 << 20);
        var epsilon = config.Positive("norm_eps", 1e-5);
        var (normBias, attentionBias, innerBias) = (config.Flag("norm_bias", false), config.Flag("attention_bias", false), config.Flag("mlp_bias", false));
        VocabularySize = config.Whole("vocab_size", 1, 1 << 24);
        _activation = Activation.Of(config, "hidden_activation", "gelu");
        _global = attention;
        _local = new LocalAttention(config.Whole("local_attention", 2, 1 << 20, 128) / 2);
        _bases = Bases(config);
        var isGlobal = GlobalLayers(config, count);
        _weights = new PretrainedWeights(folder, device, "model.");
        try
        {
            Norm NormOf(string name) => _weights.LayerNorm(name, HiddenSize, epsilon, normBias);
            _tokens = _weights.Take("embeddings.tok_embeddings.weight", VocabularySize, HiddenSize);
            _norm = NormOf("embeddings.norm");
            // The first layer has no norm of its own: the embeddings' stands right before it.
            _layers = [.. Enumerable.Range(0, count).Select(i => new Layer(
                isGlobal[i],
                i == 0 ? null : NormOf($"layers.{i}.attn_norm"),
                _weights.Linear($"layers.{i}.attn.Wqkv", 3L * HiddenSize, HiddenSize, attentionBias),
                _weights.Linear($"layers.{i}.attn.Wo", HiddenSize, HiddenSize, attentionBias),
                NormOf($"layers.{i}.mlp_norm"),
                _weights.Linear($"layers.{i}.mlp.Wi", 2L * inner, HiddenSize, innerBias),
                _weights.Linear($"layers.{i}.mlp.Wo", HiddenSize, inner, innerBias)))];
            _finalNorm = NormOf("final_norm");
            _weights.Finish("head\\.", "decoder\\.", "classifier\\.");
        }
        catch
        {
            _weights.Dispose();
            throw;
        }
    }

    public override string Architecture => "modernbert";

    public override int HiddenSize { get; }

    public override int VocabularySize { get; }

    public override int? Positions => null;

    public override Tensor Forward(Tensor ids, PackedSequences sequences)
    {
        using var scope = NewDisposeScope();
        var (tokens, size) = (sequences.Tokens, HiddenSize / _heads);
        var positions = tensor(PositionsOf(sequences), device: ids.device);
        var (global, local) = (new RotaryPositions(positions, size, _bases.Global), new RotaryPositions(positions, size, _bases.Local));
        var x = _norm.Apply(_tokens.index_select(0, ids)); // [tokens, hidden]
        foreach (var layer in _layers)
        {
            x = x.Then(x =>
            {
                var parts = layer.In.Apply(layer.AttentionNorm?.Apply(x) ?? x).view(tokens, 3, _heads, size).unbind(1);
                var rotary = layer.IsGlobal ? global : local;
                IPackedAttention attention = layer.IsGlobal ? _global : _local;
                return x + layer.Out.Apply(attention.Attend(rotary.Apply(parts[0]), rotary.Apply(parts[1]), parts[2], sequences).reshape(tokens, HiddenSize));
            }).Then(x =>
            {
                var halves = layer.Up.Apply(layer.OutputNorm.Apply(x)).chunk(2, -1); // two of [tokens, inner]
                return x + layer.Down.Apply(_activation(halves[0]) * halves[1]);
            });
        }

        return _finalNorm.Apply(x).MoveToOuterDisposeScope();
    }

    protected override void Dispose(bool disposing) => _weights.Dispose();

    // Written as two numbers, or, by newer programs, as an object for each kind of layer.
    private static (double Global, double Local) Bases(JsonFile config)
    {
        const double Usual = 160_000;
        if (config.Part("rope_parameters") is { } kinds && kinds.Has("full_attention"))
        {
            double Of(string kind) => kinds.Part(kind) is { } one && one.OneOf("rope_type", "default", "default") is not null ? one.Positive("rope_theta") : Usual;
            return (Of("full_attention"), Of("sliding_attention"));
        }

        var global = config.Positive("global_rope_theta", Usual);
        // Written as null, it is the other; not written, it has a value of its own.
        return (global, config.Positive("local_rope_theta", config.Names.Contains("local_rope_theta") ? global : 10_000));
    }

    private static bool[] GlobalLayers(JsonFile config, int count)
    {
        if (!config.Has("layer_types"))
        {
            var every = config.Whole("global_attn_every_n_layers", 1, 1000, 3);
            return [.. Enumerable.Range(0, count).Select(i => i % every == 0)];
        }

        var kinds = config.Texts("layer_types").ToArray();
        return kinds.Length == count && kinds.All(kind => kind is "full_attention" or "sliding_attention")
            ? [.. kinds.Select(kind => kind == "full_attention")]
            : throw config.Problem("layer_types", $"must name full_attention or sliding_attention for each of {count} layers");
    }

    private sealed record Layer(bool IsGlobal, Norm? AttentionNorm, Affine In, Affine Out, Norm OutputNorm, Affine Up, Affine Down);
}
