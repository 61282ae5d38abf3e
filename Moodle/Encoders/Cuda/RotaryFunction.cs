using Moodle.Runtime;
using Moodle.Runtime.Cuda;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Encoders.Cuda;

/// <summary>Rotary positions of a layer's queries and keys in one launch, as an operation that autograd knows. Out of separate operations they take fifteen.</summary>
internal sealed class RotaryFunction : autograd.SingleTensorFunction<RotaryFunction>
{
    private const int Threads = 256;
    private const int PairsOfThread = 4;
    private static readonly CudaKernels s_kernels = new("Moodle.Encoders.Kernels.rotary.cu");

    /// <inheritdoc/>
    public override string Name => nameof(RotaryFunction);

    /// <summary>Whether the kernel takes such a tensor.</summary>
    public static bool Fits(Tensor packed) =>
        packed.device_type == DeviceType.CUDA && packed.dtype is ScalarType.Float32 or ScalarType.BFloat16 && packed.shape[3] % (2 * PairsOfThread) == 0
        && s_kernels.For(packed.device) is not null;

    /// <summary>Turns queries and keys.</summary>
    /// <param name="packed">[tokens, 3, heads, d]: queries, keys and values.</param>
    /// <param name="cosine">float32 [tokens, 1, d/2].</param>
    /// <param name="sine">float32 [tokens, 1, d/2].</param>
    /// <returns>[3, tokens, heads, d], contiguous: attention would copy parts of [tokens, 3, heads, d] once more.</returns>
    public static Tensor Turn(Tensor packed, Tensor cosine, Tensor sine)
    {
        using var scope = NewDisposeScope();
        packed = packed.contiguous();
        var recorded = is_grad_enabled() && packed.requires_grad;
        return (recorded ? apply(packed, cosine, sine) : Launch(packed, cosine, sine, back: false)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var (packed, cosine, sine) = ((Tensor)vars[0], (Tensor)vars[1], (Tensor)vars[2]);
        ctx.save_for_backward([cosine, sine]);
        return Launch(packed, cosine, sine, back: false);
    }

    /// <inheritdoc/>
    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        ReturnedGradients.Drop();
        using var scope = NewDisposeScope();
        var saved = ctx.get_saved_variables();
        // A turn's transpose turns back.
        return ReturnedGradients.Hand(grad_output, 2, Launch(grad_output.contiguous(), saved[0], saved[1], back: true));
    }

    // [tokens, 3, heads, d] to [3, tokens, heads, d], or back.
    private static Tensor Launch(Tensor source, Tensor cosine, Tensor sine, bool back)
    {
        using var none = no_grad();
        var (tokens, heads, half) = (source.shape[back ? 1 : 0], source.shape[2], source.shape[3] / 2);
        var turned = empty(back ? [tokens, 3, heads, 2 * half] : [3, tokens, heads, 2 * half], dtype: source.dtype, device: source.device);
        var threads = tokens * 3 * heads * (half / PairsOfThread);
        if (threads > 0)
        {
            s_kernels.For(source.device)!.Launch(
                (back ? "turn_back_" : "turn_") + (source.dtype == ScalarType.BFloat16 ? "bfloat16" : "float32"), ((threads + Threads - 1) / Threads, 1), Threads, 0, (int)half,
                source.Address(), turned.Address(), cosine.Address(), sine.Address(), checked((int)tokens), (nint)heads);
        }

        return turned;
    }
}
