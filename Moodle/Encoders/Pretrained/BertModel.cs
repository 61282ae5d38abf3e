using Moodle.Attention;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Encoders.Pretrained;

/// <summary>
/// The post-norm encoders with learned positions: BERT (Devlin et al. 2019) and what has its form (MiniLM and most sentence encoders),
/// DistilBERT (Sanh et al. 2019) and MPNet (Song et al. 2020), whose attention adds a learned bias for how far apart tokens stand.
/// </summary>
internal sealed class BertModel : PretrainedTextModel
{
    private readonly PretrainedWeights _weights;
    private readonly IPackedAttention _attention;
    private readonly Func<Tensor, Tensor> _activation;
    private readonly Tensor _tokens;
    private readonly Tensor _positions;
    private readonly Norm _norm;
    private readonly Layer[] _layers;
    private readonly int _heads;
    private readonly bool _interpolate;

    public BertModel(PretrainedFolder folder, JsonFile config, bool interpolate, IPackedAttention attention, Device device)
    {
        Architecture = config.Text("model_type")!;
        _interpolate = interpolate;
        var distil = Architecture == "distilbert";
        var mpnet = Architecture == "mpnet";
        config.OneOf("position_embedding_type", "absolute", "absolute");
        HiddenSize = config.Whole(distil ? "dim" : "hidden_size", 1, 1 << 16);
        _heads = config.Whole(distil ? "n_heads" : "num_attention_heads", 1, HiddenSize);
        if (HiddenSize % _heads != 0)
        {
            throw config.Problem(distil ? "dim" : "hidden_size", $"is {HiddenSize}, which cannot be divided among {_heads} heads");
        }

        var layers = config.Whole(distil ? "n_layers" : "num_hidden_layers", 0, 1000);
        var inner = config.Whole(distil ? "hidden_dim" : "intermediate_size", 1, 1 << 20);
        var epsilon = config.Positive("layer_norm_eps", 1e-12);
        VocabularySize = config.Whole("vocab_size", 1, 1 << 24);
        var rows = config.Whole("max_position_embeddings", 1, 1 << 24);
        // MPNet counts positions from behind its padding token, whose id is 1.
        var first = mpnet ? 2 : 0;
        if (rows <= first)
        {
            throw config.Problem("max_position_embeddings", $"is {rows}, expected more than {first}");
        }

        _activation = Activation.Of(config, distil ? "activation" : "hidden_act", "gelu");
        _weights = new PretrainedWeights(folder, device, Architecture + ".");
        try
        {
            _tokens = _weights.Take("embeddings.word_embeddings.weight", VocabularySize, HiddenSize);
            var positions = _weights.Take("embeddings.position_embeddings.weight", rows, HiddenSize).narrow(0, first, rows - first);
            if (!distil && !mpnet)
            {
                // A document is one segment, the first, whose vector every token gets.
                var types = _weights.Take("embeddings.token_type_embeddings.weight", config.Whole("type_vocab_size", 1, 1 << 16, 2), HiddenSize);
                positions = positions + types[0];
            }

            _positions = _weights.Keep(positions);
            _norm = _weights.LayerNorm("embeddings.LayerNorm", HiddenSize, epsilon);
            _layers = [.. Enumerable.Range(0, layers).Select(i => Take(distil ? $"transformer.layer.{i}." : $"encoder.layer.{i}.", inner, epsilon))];
            _attention = attention;
            if (mpnet)
            {
                var buckets = config.Whole("relative_attention_num_buckets", 2, 1 << 16, 32);
                _attention = new RelativeAttention(_weights.Take("encoder.relative_attention_bias.weight", buckets, _heads));
            }

            _weights.Finish("pooler\\.", "cls\\.", "lm_head\\.", "classifier\\.", "pre_classifier\\.", "qa_outputs\\.", "vocab_transform\\.", "vocab_layer_norm\\.", "vocab_projector\\.",
                "embeddings\\.position_ids$");
        }
        catch
        {
            _weights.Dispose();
            throw;
        }
    }

    public override string Architecture { get; }

    public override int HiddenSize { get; }

    public override int VocabularySize { get; }

    public override int? Positions => _interpolate ? null : (int)_positions.shape[0];

    public override Tensor Forward(Tensor ids, PackedSequences sequences)
    {
        using var scope = NewDisposeScope();
        var tokens = sequences.Tokens;
        var x = _norm.Apply(_tokens.index_select(0, ids) + PositionVectors(sequences, ids.device)); // [tokens, hidden]
        foreach (var layer in _layers)
        {
            x = x.Then(x =>
            {
                Tensor Heads(Affine map) => map.Apply(x).view(tokens, _heads, HiddenSize / _heads);
                var attended = _attention.Attend(Heads(layer.Query), Heads(layer.Key), Heads(layer.Value), sequences).reshape(tokens, HiddenSize);
                return layer.AttentionNorm.Apply(x + layer.Out.Apply(attended));
            }).Then(x => layer.OutputNorm.Apply(x + layer.Down.Apply(_activation(layer.Up.Apply(x)))));
        }

        return x.MoveToOuterDisposeScope();
    }

    protected override void Dispose(bool disposing) => _weights.Dispose();

    // [tokens, hidden]. A document with more tokens than positions has them stretched evenly over its length; others keep their own.
    private Tensor PositionVectors(PackedSequences sequences, Device device)
    {
        var count = (int)_positions.shape[0];
        var longest = sequences.Lengths.Max();
        if (longest <= count)
        {
            return _positions.index_select(0, tensor(PositionsOf(sequences), device: device));
        }

        if (!_interpolate)
        {
            throw new ArgumentException($"a document has {longest} tokens, {Architecture} has {count} positions", nameof(sequences));
        }

        var (lower, upper, share) = (new long[sequences.Tokens], new long[sequences.Tokens], new float[sequences.Tokens]);
        for (var s = 0; s < sequences.Count; s++)
        {
            var step = sequences.Lengths[s] > count ? (count - 1.0) / (sequences.Lengths[s] - 1) : 1;
            for (var i = 0; i < sequences.Lengths[s]; i++)
            {
                var (row, at) = (sequences.Offsets[s] + i, i * step);
                lower[row] = Math.Min((long)at, count - 1);
                upper[row] = Math.Min(lower[row] + 1, count - 1);
                share[row] = (float)(at - lower[row]);
            }
        }

        var (from, to) = (_positions.index_select(0, tensor(lower, device: device)), _positions.index_select(0, tensor(upper, device: device)));
        return from + ((to - from) * tensor(share, device: device).unsqueeze(1));
    }

    private Layer Take(string prefix, int inner, double epsilon)
    {
        var hidden = HiddenSize;
        Affine Square(string name) => _weights.Linear(prefix + name, hidden, hidden);
        Norm NormOf(string name) => _weights.LayerNorm(prefix + name, hidden, epsilon);
        return Architecture switch
        {
            "distilbert" => new(Square("attention.q_lin"), Square("attention.k_lin"), Square("attention.v_lin"), Square("attention.out_lin"), NormOf("sa_layer_norm"),
                _weights.Linear(prefix + "ffn.lin1", inner, hidden), _weights.Linear(prefix + "ffn.lin2", hidden, inner), NormOf("output_layer_norm")),
            "mpnet" => new(Square("attention.attn.q"), Square("attention.attn.k"), Square("attention.attn.v"), Square("attention.attn.o"), NormOf("attention.LayerNorm"),
                _weights.Linear(prefix + "intermediate.dense", inner, hidden), _weights.Linear(prefix + "output.dense", hidden, inner), NormOf("output.LayerNorm")),
            _ => new(Square("attention.self.query"), Square("attention.self.key"), Square("attention.self.value"), Square("attention.output.dense"), NormOf("attention.output.LayerNorm"),
                _weights.Linear(prefix + "intermediate.dense", inner, hidden), _weights.Linear(prefix + "output.dense", hidden, inner), NormOf("output.LayerNorm")),
        };
    }

    private sealed record Layer(Affine Query, Affine Key, Affine Value, Affine Out, Norm AttentionNorm, Affine Up, Affine Down, Norm OutputNorm);
}
