using System.Numerics;
using System.Runtime.InteropServices;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Models.Paths;

/// <summary>
/// A layer's change of the states in one launch, as an operation that autograd knows: h + dropout(relu(LayerNorm(own + p₀ + s·p₁ + p₂/s))). Out of separate operations every
/// one reads and writes the states of all entities for all queries. Deterministic but for the gradients of the norm, to which blocks add atomically.
/// </summary>
internal sealed class PathUpdate : autograd.SingleTensorFunction<PathUpdate>
{
    private const int Threads = 256;
    private const int MostSize = 256;
    private const int MostBlocks = 1024; // of the gradient
    private const string Settings = "settings";

    /// <inheritdoc/>
    public override string Name => nameof(PathUpdate);

    /// <summary>Whether there are kernels for states of a type and size; it must be a device that <see cref="PathKernels.Fit"/> accepts.</summary>
    public static bool Fits(Tensor states) =>
        states.dtype == ScalarType.BFloat16 && states.shape[1] is >= 8 and <= MostSize && BitOperations.IsPow2(states.shape[1]);

    /// <summary>Updates; records for the gradient only where one is asked for.</summary>
    /// <param name="own">What the update takes of the states themselves: bfloat16 [rows, d], rows in the order entity, query.</param>
    /// <param name="parts">What it takes of the messages, of the scaled ones and of those divided by the scale: bfloat16 [rows, 3d].</param>
    /// <param name="states">h: bfloat16 [rows, d].</param>
    /// <param name="weight">The norm's: float32 [d].</param>
    /// <param name="bias">The norm's: float32 [d].</param>
    /// <param name="scales">s and 1 / s of the entities.</param>
    /// <param name="seed">int64 [1], which draws what is dropped; null for none.</param>
    /// <param name="dropout">What share is dropped, to 1/65,536.</param>
    /// <returns>As states.</returns>
    public static Tensor Next(Tensor own, Tensor parts, Tensor states, Tensor weight, Tensor bias, PathScales scales, Tensor? seed, double dropout)
    {
        using var scope = NewDisposeScope();
        var settings = new UpdateSettings(scales, seed, seed is null ? 0 : (int)Math.Round(dropout * 65536));
        var recorded = is_grad_enabled() && (own.requires_grad || parts.requires_grad || states.requires_grad || weight.requires_grad || bias.requires_grad);
        return (recorded ? apply(own, parts, states, weight, bias, settings) : Forward(own, parts, states, weight, bias, settings, null, null)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var (own, parts, states, weight, bias, settings) = ((Tensor)vars[0], (Tensor)vars[1], (Tensor)vars[2], (Tensor)vars[3], (Tensor)vars[4], (UpdateSettings)vars[5]);
        var (normal, roots) = (empty_like(own), empty([own.shape[0]], ScalarType.Float32, own.device));
        ctx.save_for_backward([normal, roots, weight, bias, settings.Scales.Scale, settings.Scales.Inverse, settings.Seed ?? roots]);
        ctx.save_data(Settings, (settings.Seed is not null, settings.Dropped));
        return Forward(own, parts, states, weight, bias, settings, normal, roots);
    }

    /// <inheritdoc/>
    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        ReturnedGradients.Drop();
        using var scope = NewDisposeScope();
        using var none = no_grad();
        var saved = ctx.get_saved_variables();
        var (seeded, dropped) = ((bool, int))ctx.get_data(Settings);
        var (normal, weight, bias) = (saved[0], saved[2], saved[3]);
        var (rows, size) = (normal.shape[0], normal.shape[1]);
        var toOwn = empty_like(normal);
        var toParts = empty([rows, 3 * size], normal.dtype, normal.device);
        var toNorm = zeros([2, size], ScalarType.Float32, normal.device);
        var gradient = grad_output.contiguous();
        Launch(
            "path_update_gradient", MostBlocks, normal, weight, bias, new UpdateSettings(new(saved[4], saved[5]), seeded ? saved[6] : null, dropped), gradient.Address(), normal.Address(),
            saved[1].Address(), toOwn.Address(), toParts.Address(), toNorm.Address());
        return ReturnedGradients.Hand(grad_output, 1, toOwn, toParts, gradient.detach(), toNorm.select(0, 0), toNorm.select(0, 1));
    }

    private static Tensor Forward(Tensor own, Tensor parts, Tensor states, Tensor weight, Tensor bias, UpdateSettings settings, Tensor? normal, Tensor? roots)
    {
        using var none = no_grad();
        var next = empty_like(states);
        Launch(
            "path_update", long.MaxValue, states, weight, bias, settings, own.Address(), parts.Address(), states.Address(), next.Address(), normal?.Address() ?? 0,
            roots?.Address() ?? 0);
        return next;
    }

    private static void Launch(
        string kernel, long mostBlocks, Tensor states, Tensor weight, Tensor bias, UpdateSettings settings, params ReadOnlySpan<nint> arguments)
    {
        var (rows, size, scales) = (states.shape[0], states.shape[1], settings.Scales);
        if (rows > 0)
        {
            var blocks = Math.Min(mostBlocks, ((rows * (size / 8)) + Threads - 1) / Threads);
            PathKernels.Module(states.device).Launch(
                kernel, (blocks, 1), Threads, 0,
                new Addresses(
                    scales.Scale.Address(), scales.Inverse.Address(), weight.Address(), bias.Address(), settings.Seed?.Address() ?? 0, rows,
                    checked((int)(rows / scales.Scale.shape[0])), (int)size, settings.Dropped),
                arguments);
        }
    }

    // As the kernels declare it.
    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Addresses(nint Scales, nint Inverses, nint Weight, nint Bias, nint Seed, long Rows, int Queries, int Size, int Dropped);

    private sealed record UpdateSettings(PathScales Scales, Tensor? Seed, int Dropped);
}
