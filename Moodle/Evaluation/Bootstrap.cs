using System.Numerics;
using Moodle.Runtime;

namespace Moodle.Evaluation;

/// <summary>An interval, ends included.</summary>
/// <param name="Low">Its lower end.</param>
/// <param name="High">Its upper end.</param>
public readonly record struct Interval(double Low, double High);

/// <summary>95 % intervals of a branch's realistic figures.</summary>
/// <param name="Mrr">Of the mean reciprocal rank.</param>
/// <param name="Mr">Of the mean rank.</param>
/// <param name="HitsAt1">Of Hits@1.</param>
/// <param name="HitsAt3">Of Hits@3.</param>
/// <param name="HitsAt5">Of Hits@5.</param>
/// <param name="HitsAt10">Of Hits@10.</param>
/// <param name="Amri">Of the adjusted mean rank index; not a number where it is not defined.</param>
public sealed record MetricIntervals(Interval Mrr, Interval Mr, Interval HitsAt1, Interval HitsAt3, Interval HitsAt5, Interval HitsAt10, Interval Amri);

/// <summary>
/// Percentile bootstrap over triples: each sample draws as many triples as there are, with replacement, and a triple brings the ranks
/// of both its sides, because they are not independent. All branches see the same draws. The seed alone decides the
/// result, whatever the number of threads.
/// </summary>
public static class Bootstrap
{
    /// <summary>The level of the intervals.</summary>
    public const double Level = 0.95;

    // What a row holds for each branch and side: the reciprocal rank, the rank, four hits, and the candidates besides the right one.
    private const int Figures = 7;
    private const int Candidates = 6;

    /// <summary>The intervals of every branch.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="samples">How many samples are drawn, at least 1.</param>
    /// <param name="seed">The seed.</param>
    /// <returns>One entry for each branch, in order.</returns>
    /// <exception cref="ArgumentException">There are no ranks or no samples.</exception>
    public static IReadOnlyList<BySide<MetricIntervals>> IntervalsOf(SplitRanks ranks, int samples, int seed = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
        ArgumentOutOfRangeException.ThrowIfZero(ranks.Triples.Length, nameof(ranks));
        var (table, width) = Table(ranks);
        var means = new double[samples][];
        Parallel.For(0, samples, sample => means[sample] = Resample(table, width, ranks.Triples.Length, seed, sample));
        return [.. Enumerable.Range(0, ranks.Branches.Length).Select(branch =>
        {
            var (tail, head) = (2 * branch * Figures, (2 * branch + 1) * Figures);
            return new BySide<MetricIntervals>(
                Of(f => means.Select(mean => 0.5 * (mean[tail + f] + mean[head + f]))),
                Of(f => means.Select(mean => mean[head + f])),
                Of(f => means.Select(mean => mean[tail + f])));
        })];
    }

    private static MetricIntervals Of(Func<int, IEnumerable<double>> values)
    {
        var ends = Enumerable.Range(0, Candidates).Select(figure => Percentiles([.. values(figure)])).ToArray();
        // As Metrics.Amri is defined: one less than the mean rank, over half of the mean number of other candidates.
        var amri = Percentiles([.. values(1).Zip(values(Candidates), (rank, others) => 1 - ((rank - 1) / (others / 2)))]);
        return new MetricIntervals(ends[0], ends[1], ends[2], ends[3], ends[4], ends[5], amri);
    }

    /// <summary>A row for each triple: for each branch and side (tail, head) the figures, padded to whole vectors.</summary>
    private static (double[] Table, int Width) Table(SplitRanks ranks)
    {
        var used = ranks.Branches.Length * 2 * Figures;
        var width = (used + Vector<double>.Count - 1) / Vector<double>.Count * Vector<double>.Count;
        var table = new double[checked(width * ranks.Triples.Length)];
        Span<double> hits = [1, 3, 5, 10];
        for (var triple = 0; triple < ranks.Triples.Length; triple++)
        {
            for (var column = 0; column < used; column += Figures)
            {
                var entry = ranks[column / (2 * Figures), triple, (QuerySide)(column / Figures % 2)];
                var rank = entry.Realistic;
                var cells = table.AsSpan(triple * width + column, Figures);
                (cells[0], cells[1]) = (1 / rank, rank);
                for (var k = 0; k < hits.Length; k++)
                {
                    cells[2 + k] = rank <= hits[k] ? 1 : 0;
                }

                cells[Candidates] = entry.Candidates - 1;
            }
        }

        return (table, width);
    }

    /// <summary>Column means over one draw of <paramref name="count"/> rows.</summary>
    private static double[] Resample(double[] table, int width, int count, int seed, int sample)
    {
        var sums = new double[width];
        var random = SplitMix64.ForStream((ulong)seed, (ulong)sample);
        for (var draw = 0; draw < count; draw++)
        {
            var row = random.NextInt(count) * width;
            for (var column = 0; column < width; column += Vector<double>.Count)
            {
                (new Vector<double>(sums, column) + new Vector<double>(table, row + column)).CopyTo(sums, column);
            }
        }

        for (var column = 0; column < width; column++)
        {
            sums[column] /= count;
        }

        return sums;
    }

    /// <summary>The ends of the interval that holds all but the outermost values; sorts them.</summary>
    internal static Interval Percentiles(double[] values)
    {
        Array.Sort(values);
        double At(double quantile)
        {
            var position = quantile * (values.Length - 1);
            var below = (int)position;
            var above = Math.Min(below + 1, values.Length - 1);
            return values[below] + (position - below) * (values[above] - values[below]);
        }

        return new Interval(At((1 - Level) / 2), At((1 + Level) / 2));
    }
}
