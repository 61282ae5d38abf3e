using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Encoders.Pretrained;

/// <summary>
/// Pre-norm vision transformers with a class token: ViT (Dosovitskiy et al. 2021), the picture tower of CLIP (Radford et al. 2021), and
/// DINOv2 (Oquab et al. 2024) with its layer scale, registers (Darcet et al. 2024) and positions that are stretched to other input sizes.
/// </summary>
internal sealed class VisionTransformerModel : PretrainedImageModel
{
    private readonly PretrainedWeights _weights;
    private readonly Func<Tensor, Tensor> _activation;
    private readonly Tensor _patches;
    private readonly Tensor? _patchBias;
    private readonly Tensor _first;
    private readonly Tensor _positions;
    private readonly Tensor? _registers;
    private readonly Norm? _normBefore;
    private readonly Norm _normAfter;
    private readonly Affine? _projection;
    private readonly Layer[] _layers;
    private readonly int _hidden;
    private readonly int _heads;
    private readonly int _patch;
    private readonly int _side;
    private readonly bool _mean;

    public VisionTransformerModel(PretrainedFolder folder, JsonFile whole, bool mean, Device device)
    {
        Architecture = whole.Text("model_type")!;
        _mean = mean;
        var (clip, dino) = (Architecture.StartsWith("clip", StringComparison.Ordinal), Architecture.StartsWith("dinov2", StringComparison.Ordinal));
        // The configuration of all of CLIP holds that of the tower.
        var config = Architecture == "clip" ? whole.Part("vision_config") ?? throw whole.Problem("vision_config", "is missing") : whole;
        _hidden = config.Whole("hidden_size", 1, 1 << 16, clip ? 768 : null);
        _heads = config.Whole("num_attention_heads", 1, _hidden, clip ? 12 : null);
        if (_hidden % _heads != 0)
        {
            throw config.Problem("hidden_size", $"is {_hidden}, which cannot be divided among {_heads} heads");
        }

        var layers = config.Whole("num_hidden_layers", 0, 1000, clip ? 12 : null);
        var inner = dino ? _hidden * config.Whole("mlp_ratio", 1, 64, 4) : config.Whole("intermediate_size", 1, 1 << 20, clip ? 3072 : null);
        config.Whole("num_channels", 3, 3, 3);
        _patch = config.Whole("patch_size", 1, 4096, clip ? 32 : null);
        _side = config.Whole("image_size", 1, 1 << 16, clip ? 224 : null);
        if (_side < _patch)
        {
            throw config.Problem("image_size", $"is {_side}, which holds no patch of {_patch} pixels");
        }

        var epsilon = config.Positive("layer_norm_eps", clip ? 1e-5 : dino ? 1e-6 : 1e-12);
        _activation = Activation.Of(config, "hidden_act", clip ? "quick_gelu" : "gelu");
        var tokens = 1 + ((long)(_side / _patch) * (_side / _patch));
        _weights = new PretrainedWeights(folder, device, clip ? "vision_model." : dino ? Architecture + "." : "vit.");
        try
        {
            var patches = clip ? "embeddings.patch_embedding" : "embeddings.patch_embeddings.projection";
            _patches = _weights.Take(patches + ".weight", _hidden, 3, _patch, _patch);
            _patchBias = clip ? null : _weights.Take(patches + ".bias", _hidden);
            _first = clip ? _weights.Take("embeddings.class_embedding", _hidden) : _weights.Take("embeddings.cls_token", 1, 1, _hidden);
            _positions = clip ? _weights.Take("embeddings.position_embedding.weight", tokens, _hidden) : _weights.Take("embeddings.position_embeddings", 1, tokens, _hidden);
            _registers = Architecture == "dinov2_with_registers" && config.Whole("num_register_tokens", 0, 1024, 4) is > 0 and var registers
                ? _weights.Take("embeddings.register_tokens", 1, registers, _hidden) : null;
            // The name is misspelt in the files.
            _normBefore = clip ? _weights.LayerNorm("pre_layrnorm", _hidden, epsilon) : null;
            _layers = [.. Enumerable.Range(0, layers).Select(i => clip ? Clip($"encoder.layers.{i}.", inner, epsilon)
                : dino ? Dino($"encoder.layer.{i}.", inner, config, epsilon) : Plain($"encoder.layer.{i}.", inner, config, epsilon))];
            _normAfter = _weights.LayerNorm(clip ? "post_layernorm" : "layernorm", _hidden, epsilon);
            var size = whole.Whole("projection_dim", 1, 1 << 16, 512);
            if (clip && !mean && _weights.TakeOutside("visual_projection.weight", size, _hidden) is { } projection)
            {
                _projection = new Affine(projection, null);
            }

            FeatureSize = _projection is null ? _hidden : size;
            _weights.Finish(clip
                ? ["embeddings\\.position_ids$", "text_model\\.", "text_projection\\.", "logit_scale$", .. mean ? ["visual_projection\\."] : Array.Empty<string>()]
                : ["pooler\\.", "classifier\\.", "decoder\\.", "embeddings\\.mask_token$"]);
        }
        catch
        {
            _weights.Dispose();
            throw;
        }
    }

    public override string Architecture { get; }

    public override int FeatureSize { get; }

    public override int? Side => Architecture.StartsWith("dinov2", StringComparison.Ordinal) ? null : _side;

    public override Tensor Forward(Tensor pictures)
    {
        using var scope = NewDisposeScope();
        var map = nn.functional.conv2d(pictures, _patches, _patchBias, strides: [_patch, _patch]); // [pictures, hidden, rows, columns]
        var (count, rows, columns) = (map.shape[0], map.shape[2], map.shape[3]);
        var x = cat([_first.view(1, 1, _hidden).expand(count, 1, _hidden), map.flatten(2).transpose(1, 2)], 1) + PositionsFor(rows, columns); // [pictures, 1 + patches, hidden]
        if (_registers is not null)
        {
            x = cat([x.narrow(1, 0, 1), _registers.expand(count, -1, -1), x.narrow(1, 1, x.shape[1] - 1)], 1);
        }

        x = _normBefore?.Apply(x) ?? x;
        foreach (var layer in _layers)
        {
            x = x.Then(x =>
            {
                var y = layer.NormBefore.Apply(x);
                Tensor Heads(Affine part) => part.Apply(y).view(count, -1, _heads, _hidden / _heads).transpose(1, 2); // [pictures, heads, tokens, d]
                var attended = layer.Out.Apply(nn.functional.scaled_dot_product_attention(Heads(layer.Query), Heads(layer.Key), Heads(layer.Value)).transpose(1, 2).reshape(count, -1, _hidden));
                return x + (layer.Scale is null ? attended : attended * layer.Scale);
            }).Then(x =>
            {
                var fed = FeedForward(layer, layer.NormAfter.Apply(x));
                return x + (layer.ScaleAfter is null ? fed : fed * layer.ScaleAfter);
            });
        }

        var others = rows * columns;
        // CLIP's last norm is made for the class token alone.
        var vectors = _mean
            ? (_normBefore is null ? _normAfter.Apply(x) : x).narrow(1, x.shape[1] - others, others).mean([1])
            : _normAfter.Apply(x.select(1, 0));
        return (_projection?.Apply(vectors) ?? vectors).MoveToOuterDisposeScope(); // [pictures, feature]
    }

    protected override void Dispose(bool disposing) => _weights.Dispose();

    private Tensor FeedForward(Layer layer, Tensor x)
    {
        var inner = layer.Up.Apply(x);
        if (!layer.Gated)
        {
            return layer.Down.Apply(_activation(inner));
        }

        var halves = inner.chunk(2, -1);
        return layer.Down.Apply(nn.functional.silu(halves[0]) * halves[1]);
    }

    // [1, 1 + rows * columns, hidden]: as they are where the input has the size that they were learned for, stretched (bicubic) elsewhere.
    private Tensor PositionsFor(long rows, long columns)
    {
        var own = (long)(_side / _patch);
        var positions = _positions.view(1, -1, _hidden);
        if (rows == own && columns == own)
        {
            return positions;
        }

        var map = positions.narrow(1, 1, own * own).view(1, own, own, _hidden).permute(0, 3, 1, 2);
        // With registers they were learned with smoothing where the map shrinks.
        var stretched = nn.functional.interpolate(map, size: [rows, columns], mode: InterpolationMode.Bicubic, align_corners: false, antialias: Architecture == "dinov2_with_registers");
        return cat([positions.narrow(1, 0, 1), stretched.permute(0, 2, 3, 1).reshape(1, rows * columns, _hidden)], 1);
    }

    private Layer Plain(string prefix, int inner, JsonFile config, double epsilon)
    {
        var bias = config.Flag("qkv_bias", true);
        Affine Part(string name) => _weights.Linear($"{prefix}attention.attention.{name}", _hidden, _hidden, bias);
        return new(_weights.LayerNorm(prefix + "layernorm_before", _hidden, epsilon), Part("query"), Part("key"), Part("value"),
            _weights.Linear(prefix + "attention.output.dense", _hidden, _hidden), _weights.LayerNorm(prefix + "layernorm_after", _hidden, epsilon),
            _weights.Linear(prefix + "intermediate.dense", inner, _hidden), _weights.Linear(prefix + "output.dense", _hidden, inner));
    }

    private Layer Clip(string prefix, int inner, double epsilon)
    {
        Affine Part(string name) => _weights.Linear($"{prefix}self_attn.{name}_proj", _hidden, _hidden);
        return new(_weights.LayerNorm(prefix + "layer_norm1", _hidden, epsilon), Part("q"), Part("k"), Part("v"), Part("out"), _weights.LayerNorm(prefix + "layer_norm2", _hidden, epsilon),
            _weights.Linear(prefix + "mlp.fc1", inner, _hidden), _weights.Linear(prefix + "mlp.fc2", _hidden, inner));
    }

    private Layer Dino(string prefix, int inner, JsonFile config, double epsilon)
    {
        var bias = config.Flag("qkv_bias", true);
        Affine Part(string name) => _weights.Linear($"{prefix}attention.attention.{name}", _hidden, _hidden, bias);
        var gated = config.Flag("use_swiglu_ffn", false);
        // The gated form has two thirds of the width, up to the next multiple of 8.
        var width = gated ? ((inner * 2 / 3) + 7) / 8 * 8 : inner;
        return new(_weights.LayerNorm(prefix + "norm1", _hidden, epsilon), Part("query"), Part("key"), Part("value"),
            _weights.Linear(prefix + "attention.output.dense", _hidden, _hidden), _weights.LayerNorm(prefix + "norm2", _hidden, epsilon),
            _weights.Linear(prefix + (gated ? "mlp.weights_in" : "mlp.fc1"), gated ? 2L * width : width, _hidden), _weights.Linear(prefix + (gated ? "mlp.weights_out" : "mlp.fc2"), _hidden, width),
            _weights.Take(prefix + "layer_scale1.lambda1", _hidden), _weights.Take(prefix + "layer_scale2.lambda1", _hidden), gated);
    }

    private sealed record Layer(
        Norm NormBefore, Affine Query, Affine Key, Affine Value, Affine Out, Norm NormAfter, Affine Up, Affine Down, Tensor? Scale = null, Tensor? ScaleAfter = null, bool Gated = false);
}
