using Moodle.Encoders.Cuda;
using static TorchSharp.torch;

namespace Moodle.Encoders;

/// <summary>Rotary positions (Su et al. 2021): pairs of a head's dimensions turn by an angle that grows with the position, so length has no limit.</summary>
public sealed class RotaryPositions
{
    private const double UsualBase = 10000;

    /// <summary>Prepares the angles of the given positions. The tensors belong to the caller's DisposeScope.</summary>
    /// <param name="positions">int64 [tokens], position of each token in its sequence.</param>
    /// <param name="headSize">d, even.</param>
    /// <param name="angleBase">The ratio of the fastest to the slowest turning, nearly: larger for longer documents.</param>
    public RotaryPositions(Tensor positions, int headSize, double angleBase = UsualBase)
    {
        ArgumentNullException.ThrowIfNull(positions);
        var half = headSize / 2;
        using var frequencies = pow(angleBase, arange(half, dtype: ScalarType.Float32, device: positions.device).mul(-1.0 / half)); // [d/2]
        using var angles = positions.to(ScalarType.Float32).unsqueeze(1).mul(frequencies).unsqueeze(1); // [tokens, 1, d/2]
        (Cosine, Sine) = (angles.cos(), angles.sin());
    }

    /// <summary>[tokens, 1, d/2].</summary>
    public Tensor Cosine { get; }

    /// <summary>[tokens, 1, d/2].</summary>
    public Tensor Sine { get; }

    /// <summary>Turns the queries and keys of a layer.</summary>
    /// <param name="packed">[tokens, 3, heads, d]: queries, keys and values.</param>
    /// <returns>Queries, keys and values, [tokens, heads, d] each, of the same type.</returns>
    public IReadOnlyList<Tensor> Turn(Tensor packed)
    {
        ArgumentNullException.ThrowIfNull(packed);
        if (RotaryFunction.Fits(packed))
        {
            return RotaryFunction.Turn(packed, Cosine, Sine).unbind(0);
        }

        var parts = packed.unbind(1);
        return [Apply(parts[0]).to(packed.dtype), Apply(parts[1]).to(packed.dtype), parts[2]];
    }

    /// <summary>Turns queries or keys [tokens, heads, d].</summary>
    public Tensor Apply(Tensor x)
    {
        ArgumentNullException.ThrowIfNull(x);
        var halves = x.chunk(2, -1); // two of [tokens, heads, d/2]
        return cat([halves[0] * Cosine - halves[1] * Sine, halves[1] * Cosine + halves[0] * Sine], -1);
    }
}
