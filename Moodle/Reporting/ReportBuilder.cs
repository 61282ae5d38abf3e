using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using Moodle.Configuration;
using Moodle.Evaluation;
using Moodle.Graphs;
using Moodle.Modalities;
using Moodle.Runtime;
using Moodle.Training;

namespace Moodle.Reporting;

/// <summary>Collects all that a report says: one pass over the test split, and the answers to the queries that are shown.</summary>
internal static partial class ReportBuilder
{
    /// <summary>The most queries that a report shows.</summary>
    public const int MostExamples = 150;

    /// <summary>Answers to each.</summary>
    public const int Answers = 10;

    // Without this, ranking FB15K-237-IMG takes a quarter more memory.
    private const int BatchesBetweenTrims = 8;
    private const int ThumbnailSide = 40;
    // Of pictures as they are; text makes them a third longer. Keeps the page below 5 MB.
    private const int MostThumbnailBytes = 1_500_000;

    /// <summary>Builds the report of a loaded run.</summary>
    /// <param name="runPath">The run's folder.</param>
    /// <param name="model">Its model.</param>
    /// <param name="progress">Told how many queries are ranked, and of how many.</param>
    /// <param name="cancellation">Looked at between batches.</param>
    /// <returns>The report, and the ranks behind it.</returns>
    public static (RunReport Report, SplitRanks Ranks) Build(
        string runPath, TrainedModel model, Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        var (graph, scorer) = (model.Graph, model.Scorer);
        var gates = new GateMeans(graph.Relations.Count);
        scorer.GateHeard = gates.Hear;
        var batches = 0;
        void Ranked(int done, int total)
        {
            if (++batches % BatchesBetweenTrims == 0)
            {
                NativeHeap.Trim();
            }

            progress?.Invoke(done, total);
        }

        var (evaluation, ranks) = SplitEvaluation.Run(scorer, graph, Split.Test, model.Config.Evaluation, progress: Ranked, cancellation: cancellation);
        scorer.GateHeard = null;
        var history = TrainingHistory.Read(Path.Combine(runPath, "metrics.jsonl"));
        var examples = Examples(new Predictor(scorer, graph), graph, ranks, cancellation);
        return (new RunReport
        {
            Head = HeadOf(runPath, model, history),
            Evaluation = evaluation,
            Published = PublishedResult.For(graph),
            History = history,
            Distributions = RankAnalysis.Distributions(ranks),
            FusionEffects = ranks.Branches.Length > 1 ? RankAnalysis.FusionEffects(ranks) : [],
            Gates = gates.ToArray(graph),
            Pictures = RankAnalysis.ByPictures(ranks, graph),
            TextLengths = RankAnalysis.ByTextLength(ranks, graph),
            Examples = examples,
            Thumbnails = Thumbnails(graph, examples),
        }, ranks);
    }

    private static RunHead HeadOf(string runPath, TrainedModel model, TrainingHistory history)
    {
        var (config, graph) = (model.Config, model.Graph);
        ImmutableArray<ChangedKey> changed = [.. ConfigLoader.KeysOf(config).Zip(ConfigLoader.Keys())
            .Where(pair => pair.First.Default != pair.Second.Default).Select(pair => new ChangedKey(pair.First.Path, pair.First.Default, pair.Second.Default))];
        string? Told(string key) => history.Start is { } start && start.TryGetProperty(key, out var value) ? value.ToString() : null;
        var sets = string.Concat(changed.Select(key => $" --set {Quoted($"{key.Key}={key.Value}")}"));
        return new RunHead
        {
            Name = NameOf(runPath),
            DataSet = NameOf(graph.Path),
            Layout = graph.Layout,
            Entities = graph.Entities.Count,
            Relations = graph.Relations.Count,
            Train = graph.Train.Length,
            Validation = graph.Validation.Length,
            Test = graph.Test.Length,
            Warnings = GraphAudit.Of(graph).Warnings,
            Changed = changed,
            Seed = config.Seed,
            Device = Told("device") ?? config.Device,
            Threads = Told("threads") is { } threads ? int.Parse(threads, CultureInfo.InvariantCulture) : null,
            Started = Told("time"),
            TrainingSeconds = history.Stages.Sum(stage => stage.Seconds),
            TrainedBy = Told("program"),
            ReportedBy = ProgramVersion.Text,
            Reproduce = $"moodle train configs/default.yaml{sets}",
            Resume = $"moodle resume {Quoted(runPath)}",
        };
    }

    private static string NameOf(string path) => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));

    // As a POSIX shell takes it for one word.
    private static string Quoted(string word) => PlainWord().IsMatch(word) ? word : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    private static ImmutableArray<Example> Examples(Predictor predictor, KnowledgeGraph graph, SplitRanks ranks, CancellationToken cancellation)
    {
        var choice = ExampleChoice.Of(ranks, MostExamples, SplitEvaluation.Seed);
        var queries = choice.Select(query => new PredictionQuery(RankAnalysis.Ends(ranks.Triples[query.Triple], query.Side).Given, ranks.Triples[query.Triple].Relation, query.Side)).ToArray();
        var results = predictor.Predict(queries, Answers, cancellation: cancellation);
        return [.. choice.Zip(results).Select(pair =>
        {
            var (kind, triple, side) = pair.First;
            var (given, gold) = RankAnalysis.Ends(ranks.Triples[triple], side);
            return new Example(kind, ranks.Triples[triple], graph.EntityNames[gold], gold, given,
                [.. Enumerable.Range(0, ranks.Branches.Length).Select(branch => ranks[branch, triple, side].Realistic)], pair.Second,
                [.. pair.Second.Answers.Select(answer => graph.Entities.TryGetId(answer.Label, out var id) ? id : throw new InvalidOperationException(answer.Label))]);
        })];
    }

    private static ImmutableSortedDictionary<int, byte[]> Thumbnails(KnowledgeGraph graph, ImmutableArray<Example> examples)
    {
        // The entities of queries first: answers that find no room go without.
        int[] entities = [.. examples.SelectMany(example => (int[])[example.GivenId, example.GoldId])
            .Concat(examples.SelectMany(example => example.AnswerIds)).Distinct().Where(entity => graph.Images[entity].Length > 0)];
        var pictures = new byte[]?[entities.Length];
        Parallel.For(0, entities.Length, i => pictures[i] = graph.Images[entities[i]].Select(path => PictureReader.Thumbnail(path, ThumbnailSide)).FirstOrDefault(picture => picture is not null));
        var kept = ImmutableSortedDictionary.CreateBuilder<int, byte[]>();
        var bytes = 0;
        foreach (var (entity, picture) in entities.Zip(pictures))
        {
            if (picture is not null && bytes + picture.Length <= MostThumbnailBytes)
            {
                bytes += picture.Length;
                kept[entity] = picture;
            }
        }

        return kept.ToImmutable();
    }

    [GeneratedRegex("^[A-Za-z0-9_./:,=+-]+$")]
    private static partial Regex PlainWord();
}
