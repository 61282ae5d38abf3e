namespace Moodle.Evaluation;

/// <summary>How a rank counts candidates that score the same as the gold entity.</summary>
public enum TieRule
{
    /// <summary>The mean of optimistic and pessimistic: what a random order of the ties gives on average. Figures without another word are these.</summary>
    Realistic,

    /// <summary>The gold entity stands before its ties.</summary>
    Optimistic,

    /// <summary>The gold entity stands behind its ties.</summary>
    Pessimistic,
}

/// <summary>Where a gold entity stands among its candidates; 1 is best.</summary>
/// <param name="Optimistic">1 + the number of candidates that score better beyond the tolerance.</param>
/// <param name="Pessimistic"><paramref name="Optimistic"/> + the number of ties.</param>
/// <param name="Candidates">The entities that were ranked, the gold one included: |E| less the filtered ones.</param>
public readonly record struct Rank(int Optimistic, int Pessimistic, int Candidates)
{
    /// <summary>The mean of <see cref="Optimistic"/> and <see cref="Pessimistic"/>.</summary>
    public double Realistic => 0.5 * ((double)Optimistic + Pessimistic);

    /// <summary>The rank under a rule.</summary>
    public double Under(TieRule rule) => rule switch
    {
        TieRule.Optimistic => Optimistic,
        TieRule.Pessimistic => Pessimistic,
        _ => Realistic,
    };

    /// <summary>The rank that counts over the unfiltered candidates make.</summary>
    /// <param name="worse">Candidates below the gold score's tie band.</param>
    /// <param name="notBetter">Candidates not above it, the gold entity itself among them where it is not filtered.</param>
    /// <param name="goldIsNaN">Whether the gold score is no number: it is ranked last then.</param>
    /// <param name="unfiltered">Entities that are not filtered.</param>
    /// <param name="goldIsFiltered">Whether the gold entity is among the filtered ones.</param>
    internal static Rank Of(int worse, int notBetter, bool goldIsNaN, int unfiltered, bool goldIsFiltered)
    {
        var candidates = unfiltered + (goldIsFiltered ? 1 : 0);
        if (goldIsNaN)
        {
            return new Rank(candidates, candidates, candidates);
        }

        var competitors = candidates - 1;
        // The gold entity lies in its own band; where it is not among the filtered ones it is still to be taken out.
        return new Rank(1 + competitors - (notBetter - (goldIsFiltered ? 0 : 1)), 1 + competitors - worse, candidates);
    }
}
