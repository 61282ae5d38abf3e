using System.Collections.Immutable;
using Moodle.Runtime;

namespace Moodle.Evaluation;

/// <summary>By how much the MRR of one model is above that of another on the same triples.</summary>
/// <param name="Difference">MRR of the other less MRR of the baseline, both sides together.</param>
/// <param name="Interval">Its 95 % interval.</param>
/// <param name="P">
/// Two-sided: twice the share of samples whose difference has the other sign or is 0, at most 1 and never below 2 / (samples + 1).
/// </param>
public readonly record struct MrrDifference(double Difference, Interval Interval, double P);

/// <summary>
/// Percentile bootstrap of a difference between two models: each sample draws triples with replacement, and a triple brings the ranks that
/// both models gave it on both sides. Says how sure a difference is on this split; other seeds of training are another matter.
/// </summary>
public static class PairedBootstrap
{
    /// <summary>Compares two lists of ranks.</summary>
    /// <param name="baseline">Reciprocal ranks by triple, mean of both sides.</param>
    /// <param name="other">The same of the other model, in the same order of triples.</param>
    /// <param name="samples">How many samples are drawn, at least 1.</param>
    /// <param name="seed">The seed.</param>
    /// <exception cref="ArgumentException">The lists are empty or of different lengths.</exception>
    public static MrrDifference Compare(ImmutableArray<double> baseline, ImmutableArray<double> other, int samples, int seed = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
        if (baseline.Length != other.Length || baseline.IsEmpty)
        {
            throw new ArgumentException($"{other.Length} triples against {baseline.Length}; the same ones are needed", nameof(other));
        }

        var gains = baseline.Zip(other, (from, to) => to - from).ToArray();
        var means = new double[samples];
        Parallel.For(0, samples, sample =>
        {
            var random = SplitMix64.ForStream((ulong)seed, (ulong)sample);
            var sum = 0.0;
            for (var draw = 0; draw < gains.Length; draw++)
            {
                sum += gains[random.NextInt(gains.Length)];
            }

            means[sample] = sum / gains.Length;
        });
        var notAbove = (1.0 + means.Count(mean => mean <= 0)) / (samples + 1);
        var notBelow = (1.0 + means.Count(mean => mean >= 0)) / (samples + 1);
        return new MrrDifference(gains.Average(), Bootstrap.Percentiles(means), Math.Min(1, 2 * Math.Min(notAbove, notBelow)));
    }

    /// <summary>The reciprocal ranks of a branch by triple, mean of both sides.</summary>
    public static ImmutableArray<double> ReciprocalRanks(SplitRanks ranks, int branch) => [.. Enumerable.Range(0, ranks.Triples.Length)
        .Select(triple => 0.5 * ((1 / ranks[branch, triple, QuerySide.Tail].Realistic) + (1 / ranks[branch, triple, QuerySide.Head].Realistic)))];
}
