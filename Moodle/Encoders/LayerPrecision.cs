using Moodle.Configuration;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Encoders;

/// <summary>Mixed precision, layers in bfloat16 with float32 weights: what is multiplied is rounded, what is learned is not.</summary>
internal static class LayerPrecision
{
    /// <summary>The type that layers compute with on a device.</summary>
    public static ScalarType TypeOn(this EncoderPrecision precision, Device device) =>
        precision == EncoderPrecision.BFloat16 || (precision == EncoderPrecision.Auto && device.type == DeviceType.CUDA) ? ScalarType.BFloat16 : ScalarType.Float32;

    /// <summary>Applies a layer in the type of what it is given.</summary>
    public static Tensor MixedForward(this Linear layer, Tensor x) =>
        x.dtype == ScalarType.Float32 ? layer.forward(x) : nn.functional.linear(x, layer.weight!.to(x.dtype), layer.bias?.to(x.dtype));

    /// <summary>Applies a convolution in the type of what it is given.</summary>
    public static Tensor MixedForward(this Conv2d layer, Tensor x) => x.dtype == ScalarType.Float32
        ? layer.forward(x)
        : nn.functional.conv2d(x, layer.weight!.to(x.dtype), layer.bias?.to(x.dtype), strides: [layer.stride![0], layer.stride[1]], padding: [layer.padding![0], layer.padding[1]]);
}
