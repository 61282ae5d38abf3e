using Moodle.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Encoders.Pretrained;

/// <summary>Activation functions by the names that <c>config.json</c> uses.</summary>
internal static class Activation
{
    // Held: other threads read pictures and documents meanwhile, and a collection that they start frees a number which TorchSharp is passing to libtorch.
    private static readonly Scalar s_half = 0.5, s_one = 1, s_three = 3, s_cubed = 0.044715, s_root = Math.Sqrt(2 / Math.PI), s_quick = 1.702, s_six = 6, s_zero = 0;
    private static readonly string[] s_known = ["gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu", "swish"];

    /// <summary>The function under a key of the configuration.</summary>
    /// <exception cref="InputException">It names one that is not known.</exception>
    public static Func<Tensor, Tensor> Of(JsonFile config, string key, string fallback) => config.OneOf(key, fallback, s_known) switch
    {
        "gelu" => x => nn.functional.gelu(x),
        "gelu_new" or "gelu_pytorch_tanh" => x => x * s_half * (((x + (x.pow(s_three) * s_cubed)) * s_root).tanh() + s_one),
        "quick_gelu" => x => x * (x * s_quick).sigmoid(),
        "relu" => x => nn.functional.relu(x),
        _ => x => nn.functional.silu(x),
    };

    /// <summary>min(max(x, 0), 6), in place.</summary>
    public static Tensor Relu6(Tensor x) => x.clamp_(s_zero, s_six);
}
