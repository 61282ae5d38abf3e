using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Encoders.Pretrained;

/// <summary>ResNet (He et al. 2016) with basic or bottleneck blocks, averaged over its last map.</summary>
internal sealed class ResNetModel : PretrainedImageModel
{
    private const double Epsilon = 1e-5;
    private const int Narrowing = 4;
    private readonly PretrainedWeights _weights;
    private readonly Func<Tensor, Tensor> _activation;
    private readonly ConvolutionLayer _stem;
    private readonly List<(ConvolutionLayer? Shortcut, ConvolutionLayer[] Layers)> _blocks = [];

    public ResNetModel(PretrainedFolder folder, JsonFile config, Device device)
    {
        config.Whole("num_channels", 3, 3, 3);
        var sizes = config.Wholes("hidden_sizes", 1, 1 << 16) ?? [256, 512, 1024, 2048];
        var depths = config.Wholes("depths", 1, 1000) ?? [3, 4, 6, 3];
        var bottleneck = config.OneOf("layer_type", "bottleneck", "basic", "bottleneck") == "bottleneck";
        if (sizes.Length == 0 || sizes.Length != depths.Length || (bottleneck && sizes.Any(size => size % Narrowing != 0)))
        {
            throw config.Problem("hidden_sizes", "and 'depths' must be of one length, with sizes that 4 divides");
        }

        var width = config.Whole("embedding_size", 1, 1 << 16, 64);
        var (strideFirst, strideInFirst) = (config.Flag("downsample_in_first_stage", false), config.Flag("downsample_in_bottleneck", false));
        _activation = Activation.Of(config, "hidden_act", "relu");
        _weights = new PretrainedWeights(folder, device, "resnet.");
        try
        {
            ConvolutionLayer Take(string name, int outputs, int inputs, int side, int stride) => ConvolutionLayer.Take(_weights, name, outputs, inputs, side, stride, Epsilon);
            _stem = Take("embedder.embedder", width, 3, 7, 2);
            for (var s = 0; s < sizes.Length; s++)
            {
                for (var b = 0; b < depths[s]; b++)
                {
                    var (prefix, stride) = ($"encoder.stages.{s}.layers.{b}.", b == 0 && (s > 0 || strideFirst) ? 2 : 1);
                    var (inputs, outputs, narrow) = (width, sizes[s], sizes[s] / Narrowing);
                    var shortcut = inputs != outputs || stride != 1 ? Take(prefix + "shortcut", outputs, inputs, 1, stride) : null;
                    _blocks.Add((shortcut, bottleneck
                        ?
                        [
                            Take(prefix + "layer.0", narrow, inputs, 1, strideInFirst ? stride : 1),
                            Take(prefix + "layer.1", narrow, narrow, 3, strideInFirst ? 1 : stride),
                            Take(prefix + "layer.2", outputs, narrow, 1, 1),
                        ]
                        : [Take(prefix + "layer.0", outputs, inputs, 3, stride), Take(prefix + "layer.1", outputs, outputs, 3, 1)]));
                    width = outputs;
                }
            }

            FeatureSize = width;
            _weights.Finish("classifier\\.");
        }
        catch
        {
            _weights.Dispose();
            throw;
        }
    }

    public override string Architecture => "resnet";

    public override int FeatureSize { get; }

    public override int? Side => null;

    public override Tensor Forward(Tensor pictures)
    {
        using var scope = NewDisposeScope();
        var x = pictures.alias().Then(x => nn.functional.max_pool2d(_activation(_stem.Apply(x)), 3, 2, 1));
        foreach (var (shortcut, layers) in _blocks)
        {
            x = x.Then(x =>
            {
                var y = layers[0].Apply(x);
                foreach (var layer in layers.Skip(1))
                {
                    y = y.Then(y => layer.Apply(_activation(y)));
                }

                return _activation(y + (shortcut?.Apply(x) ?? x));
            });
        }

        return x.mean([2, 3]).MoveToOuterDisposeScope(); // [pictures, features]
    }

    protected override void Dispose(bool disposing) => _weights.Dispose();
}
