using System.Collections.Immutable;
using Moodle.Evaluation;
using Moodle.Graphs;

namespace Moodle.Reporting;

/// <summary>All that a report of a run says; <see cref="ReportJson"/>, <see cref="ReportMarkdown"/> and <see cref="ReportPage"/> write it.</summary>
internal sealed record RunReport
{
    /// <summary>What ran, on what, and how to run it again.</summary>
    public required RunHead Head { get; init; }

    /// <summary>The test results.</summary>
    public required EvaluationReport Evaluation { get; init; }

    /// <summary>Published figures for the same triples; empty where the data set is unknown.</summary>
    public required ImmutableArray<PublishedResult> Published { get; init; }

    /// <summary>What was measured while the model was trained.</summary>
    public required TrainingHistory History { get; init; }

    /// <summary>How ranks spread, for each branch.</summary>
    public required ImmutableArray<RankDistribution> Distributions { get; init; }

    /// <summary>What the fusion changed for each branch; empty where there is no fusion.</summary>
    public required ImmutableArray<FusionEffect> FusionEffects { get; init; }

    /// <summary>Whom the fusion trusts; empty where there is no fusion.</summary>
    public required ImmutableArray<RelationGate> Gates { get; init; }

    /// <summary>Ranks by whether the known end and the asked-for end have a picture.</summary>
    public required ImmutableArray<QueryGroup> Pictures { get; init; }

    /// <summary>Ranks by the length of the asked-for entity's text.</summary>
    public required ImmutableArray<QueryGroup> TextLengths { get; init; }

    /// <summary>Test queries with their answers.</summary>
    public required ImmutableArray<Example> Examples { get; init; }

    /// <summary>Small pictures of entities that examples show, as WebP, by entity id.</summary>
    public required ImmutableSortedDictionary<int, byte[]> Thumbnails { get; init; }

    /// <summary>The branch that stands for the model: the fusion where there is one.</summary>
    public BranchReport Model => Evaluation.Branches[0];
}

/// <summary>What ran.</summary>
internal sealed record RunHead
{
    /// <summary>Name of the run's folder.</summary>
    public required string Name { get; init; }

    /// <summary>Name of the data set's folder.</summary>
    public required string DataSet { get; init; }

    /// <summary>Its layout.</summary>
    public required string Layout { get; init; }

    /// <summary>Entities.</summary>
    public required int Entities { get; init; }

    /// <summary>Relations, without reciprocals.</summary>
    public required int Relations { get; init; }

    /// <summary>Training triples.</summary>
    public required int Train { get; init; }

    /// <summary>Validation triples.</summary>
    public required int Validation { get; init; }

    /// <summary>Test triples.</summary>
    public required int Test { get; init; }

    /// <summary>What a reader should know of the data set before believing a figure.</summary>
    public required ImmutableArray<string> Warnings { get; init; }

    /// <summary>Keys whose values are not the defaults.</summary>
    public required ImmutableArray<ChangedKey> Changed { get; init; }

    /// <summary>The seed.</summary>
    public required int Seed { get; init; }

    /// <summary>The device it was trained on.</summary>
    public required string Device { get; init; }

    /// <summary>CPU threads, null where the run does not tell.</summary>
    public required int? Threads { get; init; }

    /// <summary>When training began, UTC, null where the run does not tell.</summary>
    public required string? Started { get; init; }

    /// <summary>Seconds of training.</summary>
    public required double TrainingSeconds { get; init; }

    /// <summary>The program that trained, null where the run does not tell.</summary>
    public required string? TrainedBy { get; init; }

    /// <summary>The program that wrote the report.</summary>
    public required string ReportedBy { get; init; }

    /// <summary>The command that trains the same again.</summary>
    public required string Reproduce { get; init; }

    /// <summary>The command that goes on with the run.</summary>
    public required string Resume { get; init; }
}

/// <summary>A key of the configuration that is not at its default.</summary>
internal sealed record ChangedKey(string Key, string Value, string Default);

/// <summary>How many ranks of a branch lie in each of <see cref="RankBins"/>.</summary>
internal sealed record RankDistribution(string Branch, ImmutableArray<long> Counts);

/// <summary>What the fusion did to a branch's answers: queries by who put the right entity first.</summary>
/// <param name="Branch">The branch.</param>
/// <param name="Repaired">The fusion, and not the branch.</param>
/// <param name="Spoiled">The branch, and not the fusion.</param>
/// <param name="BothRight">Both.</param>
/// <param name="BothWrong">Neither.</param>
internal sealed record FusionEffect(string Branch, long Repaired, long Spoiled, long BothRight, long BothWrong);

/// <summary>The mean gate over the distinct test queries of a relation, both sides.</summary>
/// <param name="Relation">Label; null for all relations together.</param>
/// <param name="Name">Readable name.</param>
/// <param name="Queries">Distinct queries.</param>
/// <param name="Weights">For each branch but the fusion; they add up to 1.</param>
internal sealed record RelationGate(string? Relation, string Name, long Queries, ImmutableArray<double> Weights);

/// <summary>Queries that have something in common.</summary>
/// <param name="Name">What.</param>
/// <param name="Queries">How many.</param>
/// <param name="Mrr">Of each branch.</param>
/// <param name="MedianRank">Of each branch.</param>
internal sealed record QueryGroup(string Name, long Queries, ImmutableArray<double> Mrr, ImmutableArray<double> MedianRank);

/// <summary>Why a query is among the examples.</summary>
internal enum ExampleKind
{
    /// <summary>The first test triple of a frequent relation.</summary>
    Chosen,

    /// <summary>Fusion gained most against the best branch.</summary>
    Win,

    /// <summary>Fusion lost most against the best branch.</summary>
    Loss,

    /// <summary>Drawn at random.</summary>
    Random,
}

/// <summary>A test query with its answers.</summary>
/// <param name="Kind">Why it is shown.</param>
/// <param name="Triple">Its triple.</param>
/// <param name="Gold">The right answer's name.</param>
/// <param name="GoldId">The right answer's entity id.</param>
/// <param name="GivenId">The known end's entity id.</param>
/// <param name="Ranks">The right answer's rank by every branch.</param>
/// <param name="Result">The best answers, known ones among them.</param>
/// <param name="AnswerIds">Their entity ids.</param>
internal sealed record Example(
    ExampleKind Kind, Triple Triple, string Gold, int GoldId, int GivenId, ImmutableArray<double> Ranks, PredictionResult Result, ImmutableArray<int> AnswerIds);
