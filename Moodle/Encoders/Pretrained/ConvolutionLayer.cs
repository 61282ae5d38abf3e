using Moodle.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Encoders.Pretrained;

/// <summary>A convolution with the batch normalisation behind it folded in.</summary>
/// <param name="Weight">[outputs, inputs of a group, side, side]; it may have more inputs than there are, which are taken for zero.</param>
/// <param name="Bias">[outputs].</param>
/// <param name="Stride">In both directions.</param>
/// <param name="Groups">1, or the number of channels where each has a filter of its own.</param>
/// <param name="AsTensorFlow">
/// Whether the border is as wide as the stride leaves room for, the odd pixel at the end, as TensorFlow's SAME has it; otherwise half of
/// the filter's side all around.
/// </param>
internal sealed record ConvolutionLayer(Tensor Weight, Tensor Bias, int Stride, long Groups = 1, bool AsTensorFlow = false)
{
    /// <summary>Takes the layer from weights.</summary>
    public static ConvolutionLayer Take(PretrainedWeights weights, string name, long outputs, long inputs, int side, int stride, double epsilon, long groups = 1, bool asTensorFlow = false)
    {
        var (weight, bias) = weights.Convolution(name, outputs, inputs / groups, side, epsilon);
        if (groups == 1 && weight.device.type == DeviceType.CPU && OneDnn.MissingChannels(inputs) is > 0 and var missing)
        {
            weight = weights.Keep(nn.functional.pad(weight, [0, 0, 0, 0, 0, missing]));
        }

        return new ConvolutionLayer(weight, bias, stride, groups, asTensorFlow);
    }

    /// <summary>[pictures, inputs, height, width] to [pictures, outputs, ...].</summary>
    public Tensor Apply(Tensor x)
    {
        var side = Weight.shape[2];
        var border = side / 2;
        if (AsTensorFlow && side > 1)
        {
            var (down, across) = (Border(x.shape[2]), Border(x.shape[3]));
            if (down % 2 == 0 && across == down)
            {
                border = down / 2;
            }
            else
            {
                (x, border) = (nn.functional.pad(x, [across / 2, across - (across / 2), down / 2, down - (down / 2)]), 0);
            }
        }

        var missing = (Weight.shape[1] * Groups) - x.shape[1];
        x = missing > 0 ? nn.functional.pad(x, [0, 0, 0, 0, 0, missing]) : x;
        return nn.functional.conv2d(x, Weight, Bias, strides: [Stride, Stride], padding: [border, border], groups: Groups);
    }

    private long Border(long length) => Math.Max(0, Weight.shape[2] - (length % Stride == 0 ? Stride : length % Stride));
}
