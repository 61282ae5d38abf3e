using Moodle.Configuration;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Encoders;

/// <summary>
/// A small residual network in three stages, each at half the resolution of the one before. The last map is averaged to 4 × 4 and
/// read by a linear layer, so that where a colour stands counts and not only that it is there.
/// </summary>
internal sealed class ConvolutionalNetwork : nn.Module<Tensor, Tensor>
{
    private const int Stages = 3;
    private const int Cells = 4;
    private const int Groups = 8;
    private readonly Conv2d stem;
    private readonly ModuleList<Conv2d> downs;
    private readonly ModuleList<Residual> blocks;
    private readonly Linear head;
    private readonly int _layers;
    private readonly EncoderPrecision _precision;

    public ConvolutionalNetwork(ImageEncoderConfig config) : base(nameof(ConvolutionalNetwork))
    {
        (_layers, _precision) = (config.Layers, config.Precision);
        int Width(int stage) => Math.Max(Groups, config.HiddenSize >> (Stages - 1 - stage)) / Groups * Groups;
        stem = nn.Conv2d(3, Width(0), 3, padding: 1);
        downs = nn.ModuleList(Enumerable.Range(0, Stages).Select(stage =>
            nn.Conv2d(Width(Math.Max(0, stage - 1)), Width(stage), 2, stride: 2)).ToArray());
        blocks = nn.ModuleList(Enumerable.Range(0, Stages * _layers).Select(i => new Residual(Width(i / _layers), Groups)).ToArray());
        head = nn.Linear((long)Width(Stages - 1) * Cells * Cells, config.HiddenSize);
        RegisterComponents();
    }

    /// <summary>[pictures, 3, size, size] to [pictures, hidden].</summary>
    public override Tensor forward(Tensor x)
    {
        x = stem.MixedForward(x.to(_precision.TypeOn(x.device)));
        for (var stage = 0; stage < Stages; stage++)
        {
            x = downs[stage].MixedForward(x); // [pictures, width, size / 2^(stage+1), ...]
            for (var i = 0; i < _layers; i++)
            {
                x = blocks[(stage * _layers) + i].forward(x);
            }
        }

        return head.MixedForward(nn.functional.adaptive_avg_pool2d(nn.functional.relu(x), Cells).flatten(1)).to(ScalarType.Float32);
    }

    /// <summary>x + conv(relu(norm(conv(relu(norm(x)))))).</summary>
    private sealed class Residual : nn.Module<Tensor, Tensor>
    {
        private readonly GroupNorm first_norm;
        private readonly Conv2d first;
        private readonly GroupNorm second_norm;
        private readonly Conv2d second;

        public Residual(int width, int groups) : base(nameof(Residual))
        {
            first_norm = Norm(groups, width);
            first = nn.Conv2d(width, width, 3, padding: 1);
            second_norm = Norm(groups, width);
            second = nn.Conv2d(width, width, 3, padding: 1);
            RegisterComponents();
        }

        // TorchSharp 0.107 leaves a new group norm's scale and shift uninitialised.
        private static GroupNorm Norm(int groups, int width)
        {
            var norm = nn.GroupNorm(groups, width);
            nn.init.ones_(norm.weight!);
            nn.init.zeros_(norm.bias!);
            return norm;
        }

        public override Tensor forward(Tensor x)
        {
            var y = first.MixedForward(nn.functional.relu(first_norm.forward(x.to(ScalarType.Float32))).to(x.dtype));
            return x + second.MixedForward(nn.functional.relu(second_norm.forward(y.to(ScalarType.Float32))).to(x.dtype));
        }
    }
}
