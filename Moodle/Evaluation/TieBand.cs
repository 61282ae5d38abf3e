using System.Numerics;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Moodle.Evaluation;

/// <summary>
/// The scores that count as equal to a gold entity's score: those within 1e-5 plus 1e-4 of its magnitude, as in LibKGE. Scores of
/// one model differ by that much between batch sizes and devices, and a rank that hangs on it says nothing.
/// </summary>
/// <param name="Lower">The smallest score of the band.</param>
/// <param name="Upper">The largest score of the band.</param>
internal readonly record struct TieBand(float Lower, float Upper)
{
    /// <summary>The part of the tolerance that does not depend on the score.</summary>
    internal const double Absolute = 1e-5;

    /// <summary>The part of the tolerance that is relative to the gold score's magnitude.</summary>
    internal const double Relative = 1e-4;

    /// <summary>
    /// The band of a gold score. Its ends are worked out in double precision and moved to the nearest float inside, so that comparing
    /// floats with them gives exactly what comparing in double precision would. An infinite score ties with itself alone.
    /// </summary>
    internal static TieBand Around(float gold)
    {
        if (!float.IsFinite(gold))
        {
            return new(gold, gold);
        }

        var tolerance = Absolute + Relative * Math.Abs((double)gold);
        double low = gold - tolerance, high = gold + tolerance;
        float lower = (float)low, upper = (float)high;
        return new(lower < low ? MathF.BitIncrement(lower) : lower, upper > high ? MathF.BitDecrement(upper) : upper);
    }

    /// <summary>The same for a tensor of gold scores, float32 of any shape: the ends, of that shape.</summary>
    internal static (Tensor Lower, Tensor Upper) Around(Tensor gold)
    {
        var exact = gold.to(ScalarType.Float64);
        var tolerance = (exact.abs() * Relative) + Absolute;
        var (low, high) = (exact - tolerance, exact + tolerance);
        var (lower, upper) = (low.to(ScalarType.Float32), high.to(ScalarType.Float32));
        lower = where(lower.to(ScalarType.Float64).lt(low), lower.nextafter(full_like(lower, float.PositiveInfinity)), lower);
        upper = where(upper.to(ScalarType.Float64).gt(high), upper.nextafter(full_like(upper, float.NegativeInfinity)), upper);
        var finite = gold.isfinite();
        return (where(finite, lower, gold), where(finite, upper, gold));
    }

    /// <summary>
    /// Counts scores below the band and scores not above it. A NaN is in neither count: whoever takes the rest as better than the
    /// gold entity is never flattered by one.
    /// </summary>
    internal (int Below, int NotAbove) Count(ReadOnlySpan<float> scores)
    {
        var (lower, upper) = (new Vector<float>(Lower), new Vector<float>(Upper));
        var (belowA, belowB, notAboveA, notAboveB) = (Vector<int>.Zero, Vector<int>.Zero, Vector<int>.Zero, Vector<int>.Zero);
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(scores);
        var v = 0;
        for (; v + 1 < vectors.Length; v += 2)
        {
            // A comparison gives -1 for true. Two sums each keep the additions from waiting for one another.
            var (a, b) = (vectors[v], vectors[v + 1]);
            belowA -= Vector.LessThan(a, lower);
            notAboveA -= Vector.LessThanOrEqual(a, upper);
            belowB -= Vector.LessThan(b, lower);
            notAboveB -= Vector.LessThanOrEqual(b, upper);
        }

        var below = Vector.Sum(belowA + belowB);
        var notAbove = Vector.Sum(notAboveA + notAboveB);
        foreach (var score in scores[(v * Vector<float>.Count)..])
        {
            below += score < Lower ? 1 : 0;
            notAbove += score <= Upper ? 1 : 0;
        }

        return (below, notAbove);
    }
}
