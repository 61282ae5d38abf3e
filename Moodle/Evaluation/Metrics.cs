namespace Moodle.Evaluation;

/// <summary>Figures over a set of ranks; NaN where they are not defined (no rank at all).</summary>
/// <param name="Mrr">Mean reciprocal rank.</param>
/// <param name="Mr">Mean rank.</param>
/// <param name="HitsAt1">Share of ranks of at most 1.</param>
/// <param name="HitsAt3">Share of ranks of at most 3.</param>
/// <param name="HitsAt5">Share of ranks of at most 5.</param>
/// <param name="HitsAt10">Share of ranks of at most 10.</param>
/// <param name="Amri">
/// Adjusted mean rank index (Berrendorf et al. 2020): 1 − (MR − 1) / (E[MR] − 1), with E[MR] the mean of (candidates + 1) / 2, the
/// rank that a random order gives. 1 is perfect, 0 is chance, below 0 is worse than chance. NaN where no rank had a competitor.
/// </param>
/// <param name="Count">The number of ranks; in a macro average the number of relations.</param>
public sealed record Metrics(double Mrr, double Mr, double HitsAt1, double HitsAt3, double HitsAt5, double HitsAt10, double Amri, long Count)
{
    /// <summary>The figures of some ranks under a tie rule.</summary>
    public static Metrics Of(IEnumerable<Rank> ranks, TieRule rule = TieRule.Realistic)
    {
        var sums = new MetricSums();
        foreach (var rank in ranks)
        {
            sums.Add(rank, rule);
        }

        return sums.ToMetrics();
    }

    /// <summary>
    /// The macro average: every member counts the same, however many ranks it has. Members without ranks are left out, as are, from the
    /// AMRI alone, those for which it is not defined.
    /// </summary>
    public static Metrics Macro(IEnumerable<Metrics> members)
    {
        var kept = members.Where(member => member.Count > 0).ToArray();
        double Mean(Func<Metrics, double> figure) => kept.Select(figure).Where(value => !double.IsNaN(value)).DefaultIfEmpty(double.NaN).Average();
        return new Metrics(Mean(m => m.Mrr), Mean(m => m.Mr), Mean(m => m.HitsAt1), Mean(m => m.HitsAt3), Mean(m => m.HitsAt5), Mean(m => m.HitsAt10), Mean(m => m.Amri), kept.Length);
    }
}

/// <summary>Running sums from which <see cref="Metrics"/> follow; two can be added.</summary>
internal struct MetricSums
{
    private double _reciprocal;
    private double _rank;
    private double _candidates;
    private long _at1;
    private long _at3;
    private long _at5;
    private long _at10;
    private long _count;

    /// <summary>Takes a rank in.</summary>
    internal void Add(Rank rank, TieRule rule)
    {
        var value = rank.Under(rule);
        _reciprocal += 1 / value;
        _rank += value;
        _candidates += rank.Candidates;
        _at1 += value <= 1 ? 1 : 0;
        _at3 += value <= 3 ? 1 : 0;
        _at5 += value <= 5 ? 1 : 0;
        _at10 += value <= 10 ? 1 : 0;
        _count++;
    }

    /// <summary>The sums over the ranks of both.</summary>
    public static MetricSums operator +(MetricSums a, MetricSums b) => new()
    {
        _reciprocal = a._reciprocal + b._reciprocal,
        _rank = a._rank + b._rank,
        _candidates = a._candidates + b._candidates,
        _at1 = a._at1 + b._at1,
        _at3 = a._at3 + b._at3,
        _at5 = a._at5 + b._at5,
        _at10 = a._at10 + b._at10,
        _count = a._count + b._count,
    };

    /// <summary>The figures.</summary>
    internal readonly Metrics ToMetrics()
    {
        double n = _count;
        // E[MR] - 1 = mean of (candidates + 1) / 2 - 1; 0 / 0 where every gold entity stood alone, which is NaN as promised.
        var amri = 1 - (_rank - n) / ((_candidates - n) / 2);
        return new Metrics(_reciprocal / n, _rank / n, _at1 / n, _at3 / n, _at5 / n, _at10 / n, amri, _count);
    }
}
