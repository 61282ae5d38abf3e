using System.Collections.Immutable;
using Moodle.Configuration;
using Moodle.Evaluation;
using Moodle.Graphs;
using Moodle.Models;
using Moodle.Models.Paths;

namespace Moodle.Training;

/// <summary>Ranks validation between epochs, filtered by train and validation only.</summary>
internal sealed class Validator : IDisposable
{
    private readonly ImmutableArray<Triple> _triples;
    private readonly KnownAnswers _known;
    private readonly int _batchSize;
    private RepeatedPaths? _paths;

    /// <summary>Takes the validation split, or as much of it as the configuration asks for.</summary>
    public Validator(KnowledgeGraph graph, MoodleConfig config)
    {
        _triples = config.Training.ValidationTriples > 0
            ? RankingEvaluator.Sample(graph.Validation, config.Training.ValidationTriples, config.Seed)
            : graph.Validation;
        _known = SplitEvaluation.KnownFor(graph, Split.Validation);
        _batchSize = config.Evaluation.BatchSize;
    }

    /// <summary>Figures of every branch, both sides together; the fusion, or what stands in for it, first.</summary>
    public IReadOnlyList<(string Branch, Metrics Metrics)> Run(MultimodalModel model, bool untrainedFusion, Action<int, int> progress, CancellationToken cancellation)
    {
        // Without a trained fusion nothing asks for paths, which are as good as they were at the end of their own stage. Nor do they change beside a trained one.
        _paths ??= model.Paths is { } network && !untrainedFusion ? new RepeatedPaths(new PathScorer(network, model.Facts!)) : null;
        _paths?.Restart();
        using var scorer = new MultimodalScorer(model, untrainedFusion, paths: false, _paths is null ? null : _paths.Answer);
        return Run(scorer, progress, cancellation);
    }

    /// <summary>Figures of every branch of a scorer, both sides together.</summary>
    /// <exception cref="LossNotFiniteException">Scores are NaN: what would be chosen by them is worth nothing.</exception>
    public IReadOnlyList<(string Branch, Metrics Metrics)> Run(ILinkScorer scorer, Action<int, int> progress, CancellationToken cancellation)
    {
        var ranks = new RankingEvaluator(scorer, _known, _batchSize).Rank(_triples, progress, cancellation);
        for (var b = 0; b < ranks.NotNumbers.Length; b++)
        {
            if (ranks.NotNumbers[b] > 0)
            {
                throw new LossNotFiniteException(FormattableString.Invariant($"{ranks.NotNumbers[b]:N0} of {2 * _triples.Length:N0} answers have no number for a score by {ranks.Branches[b]}"));
            }
        }

        return [.. ranks.Branches.Select((branch, b) => (branch, Metrics.Of(
            Enumerable.Range(0, 2 * _triples.Length).Select(i => ranks[b, i / 2, (QuerySide)(i % 2)]))))];
    }

    /// <inheritdoc/>
    public void Dispose() => _paths?.Dispose();
}
