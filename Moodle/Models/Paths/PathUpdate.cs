using System.Numerics;
using System.Runtime.InteropServices;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Models.Paths;

/// <summary>
/// A layer's change of the states in one launch: h + dropout(relu(LayerNorm(own + p₀ + s·p₁ + p₂/s))), and its gradient in another. Out of separate operations every
/// one reads and writes the states of all entities for all queries. Deterministic but for the gradients of vectors, to which blocks add atomically.
/// </summary>
/// <param name="Weight">The norm's: float32 [d].</param>
/// <param name="Bias">The norm's: float32 [d].</param>
/// <param name="Scales">s and 1 / s of the entities.</param>
/// <param name="Seed">int64 [1], which draws what is dropped; null for none.</param>
/// <param name="Dropped">What share is dropped, of 65,536.</param>
internal sealed record PathUpdate(Tensor Weight, Tensor Bias, PathScales Scales, Tensor? Seed, int Dropped)
{
    private const int Threads = 256;
    private const int MostSize = 256;
    private const int MostBlocks = 1024; // of the gradient

    /// <summary>Whether there are kernels for states of a type and size; it must be a device that <see cref="PathKernels.Fit"/> accepts.</summary>
    public static bool Fits(Tensor states) =>
        states.dtype == ScalarType.BFloat16 && states.shape[1] is >= 8 and <= MostSize && BitOperations.IsPow2(states.shape[1]);

    /// <summary>Updates.</summary>
    /// <param name="own">What the update takes of the states themselves: bfloat16 [rows, d], rows in the order entity, query.</param>
    /// <param name="parts">What it takes of the messages, of the scaled ones and of those divided by the scale: bfloat16 [rows, 3d].</param>
    /// <param name="states">h: bfloat16 [rows, d].</param>
    /// <param name="forGradient">Whether the gradient will be asked for.</param>
    /// <returns>As states; and what <see cref="Backward"/> needs, or null: what the norm makes before its weight and bias [rows, d], and what it multiplied by [rows].</returns>
    public (Tensor States, Tensor? Normal, Tensor? Roots) Forward(Tensor own, Tensor parts, Tensor states, bool forGradient)
    {
        var next = empty_like(states);
        var (normal, roots) = forGradient ? (empty_like(own), empty([own.shape[0]], ScalarType.Float32, own.device)) : ((Tensor?)null, (Tensor?)null);
        Launch("path_update", long.MaxValue, states, own.Address(), parts.Address(), states.Address(), next.Address(), normal?.Address() ?? 0, roots?.Address() ?? 0);
        return (next, normal, roots);
    }

    /// <summary>The gradients: of own and parts, and float32 [3, d], those of the norm's weight and bias and of what is added to own in every row.</summary>
    /// <param name="gradient">That of the updated states: [rows, d].</param>
    /// <param name="normal">From <see cref="Forward"/>.</param>
    /// <param name="roots">From <see cref="Forward"/>.</param>
    public (Tensor Own, Tensor Parts, Tensor Vectors) Backward(Tensor gradient, Tensor normal, Tensor roots)
    {
        var (rows, size) = (normal.shape[0], normal.shape[1]);
        var own = empty_like(normal);
        var parts = empty([rows, 3 * size], normal.dtype, normal.device);
        var vectors = zeros([3, size], ScalarType.Float32, normal.device);
        Launch(
            "path_update_gradient", MostBlocks, normal, gradient.Address(), normal.Address(), roots.Address(), own.Address(), parts.Address(), vectors.Address());
        return (own, parts, vectors);
    }

    private void Launch(string kernel, long mostBlocks, Tensor states, params ReadOnlySpan<nint> arguments)
    {
        var (rows, size) = (states.shape[0], states.shape[1]);
        if (rows > 0)
        {
            var blocks = Math.Min(mostBlocks, ((rows * (size / 8)) + Threads - 1) / Threads);
            PathKernels.Module(states.device).Launch(
                kernel, (blocks, 1), Threads, 0,
                new Addresses(
                    Scales.Scale.Address(), Scales.Inverse.Address(), Weight.Address(), Bias.Address(), Seed?.Address() ?? 0, rows,
                    checked((int)(rows / Scales.Scale.shape[0])), (int)size, Dropped),
                arguments);
        }
    }

    // As the kernels declare it.
    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Addresses(nint Scales, nint Inverses, nint Weight, nint Bias, nint Seed, long Rows, int Queries, int Size, int Dropped);
}
