using static TorchSharp.torch;

namespace Moodle.Encoders.Pretrained;

/// <summary>A chain of layers of which each frees what it was made from: without gradients only the last map is needed.</summary>
internal static class TensorSteps
{
    /// <summary>Applies a layer and frees its input and everything between.</summary>
    public static Tensor Then(this Tensor x, Func<Tensor, Tensor> layer)
    {
        using var scope = NewDisposeScope();
        var y = layer(x).MoveToOuterDisposeScope();
        x.Dispose();
        return y;
    }
}
