using System.Collections.Immutable;
using Moodle.Configuration;
using Moodle.Graphs;
using Moodle.Models;

namespace Moodle.Evaluation;

/// <summary>The evaluation of a model on a split by the rules that are never bent: what filters what is decided here and nowhere else.</summary>
public static class SplitEvaluation
{
    /// <summary>The seed of the bootstrap and of a sample of triples.</summary>
    public const int Seed = 0;

    /// <summary>
    /// The splits that filter a split's candidates: train for train, train and validation for validation, so that selecting a model by
    /// validation learns nothing of test, and all three for test.
    /// </summary>
    public static ImmutableArray<Split> FilterOf(Split split) => split switch
    {
        Split.Train => [Split.Train],
        Split.Validation => [Split.Train, Split.Validation],
        _ => [Split.Train, Split.Validation, Split.Test],
    };

    /// <summary>The answers that filter a split's candidates, by <see cref="FilterOf"/>.</summary>
    public static KnownAnswers KnownFor(KnowledgeGraph graph, Split split) =>
        KnownAnswers.Build(graph.Entities.Count, graph.Relations.Count, [.. FilterOf(split).Select(graph.TriplesOf)]);

    /// <summary>Ranks a split under the rules and sums it up.</summary>
    /// <param name="scorer">The model.</param>
    /// <param name="graph">The graph that it was trained on.</param>
    /// <param name="split">The split.</param>
    /// <param name="config">Batch size and bootstrap samples.</param>
    /// <param name="sample">Rank a seeded sample of so many triples; all of them where null.</param>
    /// <param name="progress">Told how many distinct queries are done, and of how many.</param>
    /// <param name="cancellation">Looked at between batches.</param>
    /// <returns>The report, and the ranks that it sums up.</returns>
    /// <exception cref="InputException">The split has no triples.</exception>
    public static (EvaluationReport Report, SplitRanks Ranks) Run(
        ILinkScorer scorer,
        KnowledgeGraph graph,
        Split split,
        EvaluationConfig config,
        int? sample = null,
        Action<int, int>? progress = null,
        CancellationToken cancellation = default)
    {
        var triples = graph.TriplesOf(split);
        if (triples.IsEmpty)
        {
            throw new InputException($"{graph.Path}: the {EvaluationJson.NameOf(split)} split has no triples to rank");
        }

        var ranked = sample is { } count ? RankingEvaluator.Sample(triples, count, Seed) : triples;
        var ranks = new RankingEvaluator(scorer, KnownFor(graph, split), config.BatchSize).Rank(ranked, progress, cancellation);
        return (Summarise(ranks, graph, split, config.BootstrapSamples), ranks);
    }

    /// <summary>Sums ranks up.</summary>
    /// <param name="ranks">The ranks of the split's triples, or of a sample of them.</param>
    /// <param name="graph">The graph.</param>
    /// <param name="split">The split.</param>
    /// <param name="bootstrapSamples">Samples of the intervals; 0 leaves intervals out.</param>
    public static EvaluationReport Summarise(SplitRanks ranks, KnowledgeGraph graph, Split split, int bootstrapSamples)
    {
        var categories = RelationCategories.Of(graph.Relations.Count, TrainingQueries.Build(graph.Entities.Count, graph.Relations.Count, graph.Train));
        var intervals = bootstrapSamples > 0 && ranks.Triples.Length > 0 ? Bootstrap.IntervalsOf(ranks, bootstrapSamples, Seed) : null;
        return new EvaluationReport
        {
            Split = split,
            Filter = FilterOf(split),
            Entities = graph.Entities.Count,
            SplitTriples = graph.TriplesOf(split).Length,
            RankedTriples = ranks.Triples.Length,
            Queries = ranks.Queries,
            Seconds = ranks.Elapsed.TotalSeconds,
            ScoringSeconds = ranks.ScoringElapsed.TotalSeconds,
            BootstrapSamples = intervals is null ? 0 : bootstrapSamples,
            DataNotes = graph.Notes,
            Branches = [.. ranks.Branches.Select((name, branch) => BranchOf(ranks, branch, name, graph, categories, intervals?[branch]))],
        };
    }

    private static BranchReport BranchOf(
        SplitRanks ranks, int branch, string name, KnowledgeGraph graph, ImmutableArray<RelationCategory> categories, BySide<MetricIntervals>? intervals)
    {
        var byRelation = SumsByRelation(ranks, branch, graph.Relations.Count);
        ImmutableArray<RelationReport> relations = [.. Enumerable.Range(0, byRelation.Length)
            .Select(r => new RelationReport(graph.Relations[r], graph.RelationNames[r], categories[r], Total([byRelation[r]])))
            .Where(relation => relation.Metrics.Both.Count > 0)];
        ImmutableArray<CategoryReport> byCategory = [.. Enum.GetValues<RelationCategory>()
            .Select(category => new CategoryReport(category, Total([.. byRelation.Where((_, r) => categories[r] == category)])))
            .Where(category => category.Metrics.Both.Count > 0)];
        var macro = new BySide<Func<BySide<Metrics>, Metrics>>(side => side.Both, side => side.Head, side => side.Tail)
            .Select(pick => Metrics.Macro(relations.Select(relation => pick(relation.Metrics))));
        return new BranchReport(
            name, ranks.MetricsOf(branch), ranks.MetricsOf(branch, TieRule.Optimistic), ranks.MetricsOf(branch, TieRule.Pessimistic), intervals, relations, byCategory, macro);
    }

    private static (MetricSums Head, MetricSums Tail)[] SumsByRelation(SplitRanks ranks, int branch, int relationCount)
    {
        var sums = new (MetricSums Head, MetricSums Tail)[relationCount];
        for (var triple = 0; triple < ranks.Triples.Length; triple++)
        {
            ref var relation = ref sums[ranks.Triples[triple].Relation];
            relation.Head.Add(ranks[branch, triple, QuerySide.Head], TieRule.Realistic);
            relation.Tail.Add(ranks[branch, triple, QuerySide.Tail], TieRule.Realistic);
        }

        return sums;
    }

    private static BySide<Metrics> Total(ReadOnlySpan<(MetricSums Head, MetricSums Tail)> sums)
    {
        var (head, tail) = (new MetricSums(), new MetricSums());
        foreach (var (h, t) in sums)
        {
            (head, tail) = (head + h, tail + t);
        }

        return new BySide<MetricSums>(head + tail, head, tail).Select(side => side.ToMetrics());
    }
}
