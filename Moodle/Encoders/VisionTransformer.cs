using Moodle.Attention;
using Moodle.Configuration;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Encoders;

/// <summary>A small vision transformer (Dosovitskiy et al. 2021): patches as tokens, learned positions, mean over tokens.</summary>
internal sealed class VisionTransformer : nn.Module<Tensor, Tensor>
{
    private readonly Conv2d patches;
    private readonly Parameter positions;
    private readonly ModuleList<TransformerLayer> layers;
    private readonly LayerNorm norm;

    public VisionTransformer(ImageEncoderConfig config, IPackedAttention attention) : base(nameof(VisionTransformer))
    {
        var side = config.Size / config.PatchSize;
        patches = nn.Conv2d(3, config.HiddenSize, config.PatchSize, stride: config.PatchSize);
        positions = nn.Parameter(randn((long)side * side, config.HiddenSize).mul_(0.02));
        layers = nn.ModuleList(Enumerable.Range(0, config.Layers).Select(_ =>
            new TransformerLayer(config.HiddenSize, config.Heads, 2 * config.HiddenSize, 0, attention, config.Precision)).ToArray());
        norm = nn.LayerNorm(config.HiddenSize);
        RegisterComponents();
    }

    /// <summary>[pictures, 3, size, size] to [pictures, hidden].</summary>
    public override Tensor forward(Tensor x)
    {
        var (pictures, tokens, hidden) = ((int)x.shape[0], (int)positions.shape[0], positions.shape[1]);
        var sequences = new PackedSequences(Enumerable.Repeat(tokens, pictures));
        x = (patches.forward(x).flatten(2).transpose(1, 2) + positions).reshape(-1, hidden); // [pictures * tokens, hidden]
        foreach (var layer in layers)
        {
            x = layer.Forward(x, sequences, null);
        }

        return norm.forward(x).view(pictures, tokens, hidden).mean([1]);
    }
}
