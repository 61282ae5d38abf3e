using System.Collections.Immutable;
using Moodle.Graphs;

namespace Moodle.Evaluation;

/// <summary>The ranks of a list of triples, both sides, by every branch of a scorer.</summary>
public sealed class SplitRanks
{
    private readonly Rank[][] _ranks;

    /// <summary>Keeps ranks laid out as [branch][2 · triple + (0 for the tail, 1 for the head)].</summary>
    internal SplitRanks(ImmutableArray<Triple> triples, ImmutableArray<string> branches, Rank[][] ranks)
    {
        Triples = triples;
        Branches = branches;
        _ranks = ranks;
    }

    /// <summary>The triples that were ranked, in the order given, duplicates kept.</summary>
    public ImmutableArray<Triple> Triples { get; }

    /// <summary>The scorer's branches, in its order.</summary>
    public ImmutableArray<string> Branches { get; }

    /// <summary>For each branch how many gold scores were NaN; they are ranked last.</summary>
    public ImmutableArray<int> NotNumbers { get; init; } = [];

    /// <summary>Distinct queries that were scored.</summary>
    public int Queries { get; init; }

    /// <summary>Time that the whole took.</summary>
    public TimeSpan Elapsed { get; init; }

    /// <summary>The part of <see cref="Elapsed"/> that the scorer took, waiting for a GPU included.</summary>
    public TimeSpan ScoringElapsed { get; init; }

    /// <summary>A rank.</summary>
    /// <param name="branch">Index into <see cref="Branches"/>.</param>
    /// <param name="triple">Index into <see cref="Triples"/>.</param>
    /// <param name="side">The end that was asked for.</param>
    public Rank this[int branch, int triple, QuerySide side] => _ranks[branch][2 * triple + (int)side];

    /// <summary>The figures of a branch over all triples, such as the validation MRR that a model is selected by.</summary>
    /// <param name="branch">Index into <see cref="Branches"/>.</param>
    /// <param name="rule">How ties count.</param>
    public BySide<Metrics> MetricsOf(int branch, TieRule rule = TieRule.Realistic)
    {
        var (head, tail) = (new MetricSums(), new MetricSums());
        for (var triple = 0; triple < Triples.Length; triple++)
        {
            tail.Add(this[branch, triple, QuerySide.Tail], rule);
            head.Add(this[branch, triple, QuerySide.Head], rule);
        }

        return new BySide<MetricSums>(head + tail, head, tail).Select(side => side.ToMetrics());
    }
}
