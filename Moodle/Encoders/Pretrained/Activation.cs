using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Encoders.Pretrained;

/// <summary>Activation functions by the names that <c>config.json</c> uses.</summary>
internal static class Activation
{
    private static readonly string[] s_known = ["gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu", "swish"];

    /// <summary>The function under a key of the configuration.</summary>
    /// <exception cref="InputException">It names one that is not known.</exception>
    public static Func<Tensor, Tensor> Of(JsonFile config, string key, string fallback) => config.OneOf(key, fallback, s_known) switch
    {
        "gelu" => x => nn.functional.gelu(x),
        "gelu_new" or "gelu_pytorch_tanh" => x => x * 0.5 * (1 + ((x + (x.pow(3) * 0.044715)) * Math.Sqrt(2 / Math.PI)).tanh()),
        "quick_gelu" => x => x * (x * 1.702).sigmoid(),
        "relu" => x => nn.functional.relu(x),
        _ => x => nn.functional.silu(x),
    };
}
