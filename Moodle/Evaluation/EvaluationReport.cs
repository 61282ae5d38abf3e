using System.Collections.Immutable;
using Moodle.Graphs;

namespace Moodle.Evaluation;

/// <summary>The figures of one relation.</summary>
/// <param name="Relation">Its label.</param>
/// <param name="Name">Its readable name.</param>
/// <param name="Category">Its category, by the training triples.</param>
/// <param name="Metrics">Realistic figures.</param>
public sealed record RelationReport(string Relation, string Name, RelationCategory Category, BySide<Metrics> Metrics);

/// <summary>The figures of all relations of a category.</summary>
/// <param name="Category">The category.</param>
/// <param name="Metrics">Realistic figures over the ranks of its relations.</param>
public sealed record CategoryReport(RelationCategory Category, BySide<Metrics> Metrics);

/// <summary>The figures of one branch, or of the fusion.</summary>
/// <param name="Branch">Its name.</param>
/// <param name="Realistic">Figures of realistic ranks: the ones to quote.</param>
/// <param name="Optimistic">The same with ties decided for the model.</param>
/// <param name="Pessimistic">The same with ties decided against the model.</param>
/// <param name="Intervals">95 % bootstrap intervals of the realistic figures, null where they were not asked for.</param>
/// <param name="Relations">Every relation of the split, in the order of their ids.</param>
/// <param name="Categories">Every category that occurs in the split.</param>
/// <param name="Macro">Mean over <paramref name="Relations"/>, each counting the same.</param>
public sealed record BranchReport(
    string Branch,
    BySide<Metrics> Realistic,
    BySide<Metrics> Optimistic,
    BySide<Metrics> Pessimistic,
    BySide<MetricIntervals>? Intervals,
    ImmutableArray<RelationReport> Relations,
    ImmutableArray<CategoryReport> Categories,
    BySide<Metrics> Macro);

/// <summary>The evaluation of a model on a split. <see cref="EvaluationJson"/> writes it.</summary>
public sealed record EvaluationReport
{
    /// <summary>The split.</summary>
    public required Split Split { get; init; }

    /// <summary>The splits whose triples were left out of the candidates.</summary>
    public required ImmutableArray<Split> Filter { get; init; }

    /// <summary>|E|: candidates before filtering.</summary>
    public required int Entities { get; init; }

    /// <summary>Triples of the split, duplicates counted.</summary>
    public required int SplitTriples { get; init; }

    /// <summary>Triples that were ranked: fewer than <see cref="SplitTriples"/> where a sample was asked for.</summary>
    public required int RankedTriples { get; init; }

    /// <summary>Distinct queries that were scored.</summary>
    public required int Queries { get; init; }

    /// <summary>Seconds that ranking took, scoring included.</summary>
    public required double Seconds { get; init; }

    /// <summary>The part of <see cref="Seconds"/> that scoring took.</summary>
    public required double ScoringSeconds { get; init; }

    /// <summary>Samples of the bootstrap; 0 where there are no intervals.</summary>
    public required int BootstrapSamples { get; init; }

    /// <summary>How the data set was read, such as what cleaning did, one line each.</summary>
    public ImmutableArray<string> DataNotes { get; init; } = [];

    /// <summary>The branches, in the order of the scorer.</summary>
    public required ImmutableArray<BranchReport> Branches { get; init; }
}
