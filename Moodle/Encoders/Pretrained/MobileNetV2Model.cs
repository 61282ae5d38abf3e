using System.Globalization;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Encoders.Pretrained;

/// <summary>
/// MobileNetV2 (Sandler et al. 2018), averaged over its last map. Beside the folder of <c>config.json</c> and weights there is a form for
/// networks exported with batch normalisation folded in: an archive whose arrays <c>00.conv.weight</c> [outputs, inputs, side, side] and
/// <c>00.conv.bias</c>, <c>01.dwconv.weight</c> [channels, 1, 3, 3] and so on number the convolutions in the order of computation;
/// <c>52.fc.*</c>, the classifier, may follow and is not used.
/// </summary>
internal sealed class MobileNetV2Model : PretrainedImageModel
{
    private const int Blocks = 16;
    private static readonly int[] s_channels = [16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320];
    private static readonly int[] s_strides = [2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1];
    private readonly PretrainedWeights _weights;
    private readonly List<(ConvolutionLayer Layer, bool Activated)> _stem = [];
    private readonly List<(ConvolutionLayer Expand, ConvolutionLayer Filter, ConvolutionLayer Reduce)> _blocks = [];
    private readonly ConvolutionLayer _last;

    private MobileNetV2Model(PretrainedWeights weights, Func<int, int> width, int firstWidth, int features, int expansion, double epsilon, bool asTensorFlow)
    {
        _weights = weights;
        try
        {
            ConvolutionLayer Dense(string name, long outputs, long inputs, int side = 1, int stride = 1) =>
                ConvolutionLayer.Take(weights, name, outputs, inputs, side, stride, epsilon, 1, asTensorFlow);
            ConvolutionLayer Filter(string name, long channels, int stride) => ConvolutionLayer.Take(weights, name, channels, channels, 3, stride, epsilon, channels, asTensorFlow);
            _stem.Add((Dense("conv_stem.first_conv", firstWidth, 3, 3, 2), true));
            _stem.Add((Filter("conv_stem.conv_3x3", firstWidth, 1), true));
            _stem.Add((Dense("conv_stem.reduce_1x1", width(s_channels[0]), firstWidth), false));
            for (var i = 0; i < Blocks; i++)
            {
                var (inputs, outputs) = (width(s_channels[i]), width(s_channels[i + 1]));
                long inner = Rounded(inputs * expansion, 8, 8);
                _blocks.Add((Dense($"layer.{i}.expand_1x1", inner, inputs), Filter($"layer.{i}.conv_3x3", inner, s_strides[i]), Dense($"layer.{i}.reduce_1x1", outputs, inner)));
            }

            _last = Dense("conv_1x1", features, width(s_channels[Blocks]));
            FeatureSize = features;
            weights.Finish("classifier\\.");
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    public override string Architecture => "mobilenet_v2";

    public override int FeatureSize { get; }

    public override int? Side => null;

    /// <summary>The network of a folder's configuration.</summary>
    public static MobileNetV2Model Of(PretrainedFolder folder, JsonFile config, Device device)
    {
        config.Whole("num_channels", 3, 3, 3);
        config.OneOf("hidden_act", "relu6", "relu6");
        if (config.Whole("output_stride", 1, 1024, 32) != 32 || !config.Flag("first_layer_is_expansion", true))
        {
            throw config.Problem("output_stride", "must be 32, with first_layer_is_expansion true: other forms, made for segmentation, are not read");
        }

        var multiplier = config.Positive("depth_multiplier", 1);
        var (step, least) = (config.Whole("depth_divisible_by", 1, 1024, 8), config.Whole("min_depth", 1, 1024, 8));
        int Width(int channels) => Rounded((int)Math.Round(channels * multiplier), step, least);
        return new MobileNetV2Model(new PretrainedWeights(folder, device, "mobilenet_v2.", Rename(folder)), Width, Width(32),
            config.Flag("finegrained_output", true) && multiplier < 1 ? 1280 : Width(1280), config.Whole("expand_ratio", 1, 64, 6), config.Positive("layer_norm_eps", 1e-3), config.Flag("tf_padding", true));
    }

    /// <summary>The network of an archive alone: of full width, with TensorFlow's borders.</summary>
    public static MobileNetV2Model Folded(PretrainedFolder folder, Device device) =>
        new(new PretrainedWeights(folder, device, "", Rename(folder)), channels => channels, 32, 1280, 6, 1e-3, true);

    public override Tensor Forward(Tensor pictures)
    {
        using var scope = NewDisposeScope();
        var x = pictures.alias();
        foreach (var (layer, activated) in _stem)
        {
            x = x.Then(x => Step(layer, x, activated));
        }

        foreach (var (expand, filter, reduce) in _blocks)
        {
            x = x.Then(x =>
            {
                var y = Step(expand, x, true).Then(y => Step(filter, y, true)).Then(y => Step(reduce, y, false));
                return filter.Stride == 1 && y.shape[1] == x.shape[1] ? y.add_(x) : y;
            });
        }

        return Step(_last, x, true).mean([2, 3]).MoveToOuterDisposeScope(); // [pictures, features]
    }

    protected override void Dispose(bool disposing) => _weights.Dispose();

    private static Tensor Step(ConvolutionLayer layer, Tensor x, bool activated)
    {
        var y = layer.Apply(x);
        return activated ? Activation.Relu6(y) : y;
    }

    // The nearest multiple, but not less than nine tenths.
    private static int Rounded(int channels, int step, int least)
    {
        var rounded = Math.Max(least, (channels + (step / 2)) / step * step);
        return rounded < 0.9 * channels ? rounded + step : rounded;
    }

    // From the numbers of a folded archive to names; other names stay.
    private static Func<string, string> Rename(PretrainedFolder folder)
    {
        string[] parts = ["expand_1x1", "conv_3x3", "reduce_1x1"];
        return name =>
        {
            if (name.Split('.') is not [{ Length: 2 } number, var kind, var rest] || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var i))
            {
                return name;
            }

            var last = 3 + (3 * Blocks);
            var layer = i switch
            {
                0 => "conv_stem.first_conv",
                1 => "conv_stem.conv_3x3",
                2 => "conv_stem.reduce_1x1",
                _ when i < last => $"layer.{(i - 3) / 3}.{parts[(i - 3) % 3]}",
                _ when i == last => "conv_1x1",
                _ => "classifier",
            };
            var expected = i > last ? "fc" : i == 1 || (i is > 2 && i < last && i % 3 == 1) ? "dwconv" : "conv";
            return kind == expected ? (i > last ? $"{layer}.{rest}" : $"{layer}.convolution.{rest}")
                : throw new InputException($"{folder.WeightsPath}: array \"{name}\" is of kind {kind}, in a MobileNetV2 number {number} is {expected}");
        };
    }
}
