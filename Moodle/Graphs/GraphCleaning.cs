using System.Collections.Immutable;
using System.Globalization;

namespace Moodle.Graphs;

/// <summary>What cleaning did.</summary>
/// <param name="Graph">The graph with clean splits.</param>
/// <param name="Repetitions">Lines dropped because their split holds the triple already: train, validation, test.</param>
/// <param name="AlsoInTrain">Distinct validation triples dropped because they stand in train.</param>
/// <param name="AlsoInTest">Distinct validation triples dropped because they stand in test and not in train.</param>
/// <param name="Left">Validation triples left of the data set's own.</param>
/// <param name="Drawn">Validation triples drawn from train, because too few were left.</param>
/// <param name="Seed">The seed of the draw.</param>
public sealed record CleaningReport(
    KnowledgeGraph Graph, (int Train, int Validation, int Test) Repetitions, int AlsoInTrain, int AlsoInTest, int Left, int Drawn, int Seed)
{
    /// <summary>The same in words, one line for each thing that was done.</summary>
    public ImmutableArray<string> Lines
    {
        get
        {
            List<FormattableString> lines = [];
            var (train, validation, test) = Repetitions;
            if (train + validation + test > 0)
            {
                lines.Add($"cleaned: {train:N0} repetitions dropped from train, {validation:N0} from validation, {test:N0} from test");
            }

            if (AlsoInTrain + AlsoInTest > 0)
            {
                lines.Add($"cleaned: {AlsoInTrain:N0} validation triples dropped that stand in train, {AlsoInTest:N0} more that stand in test; {Left:N0} are left");
            }

            if (Drawn > 0)
            {
                lines.Add($"cleaned: {Left:N0} validation triples are too few, so {Drawn:N0} ({GraphCleaning.DrawnShare:P0} of train) were drawn from train by seed {Seed} and left out there");
            }

            return lines.Count == 0 ? ["cleaned: nothing had to be dropped"] : [.. lines.Select(line => line.ToString(CultureInfo.InvariantCulture))];
        }
    }
}

/// <summary>
/// Makes validation fit for choosing models: repetitions are dropped from every split, and from validation what stands in train or test as well,
/// never the other way round, so that test figures stay comparable. Where less than <see cref="LeastShare"/> of train is left, validation
/// triples are drawn from train (<see cref="DrawnShare"/> of it, by seed) and added.
/// </summary>
public static class GraphCleaning
{
    /// <summary>Fewer validation triples than this share of the training triples are too few.</summary>
    public const double LeastShare = 0.01;

    /// <summary>The share of the training triples that is drawn then.</summary>
    public const double DrawnShare = 0.05;

    /// <summary>The seed of the draw where none is given.</summary>
    public const int DefaultSeed = 1;

    /// <summary>Cleans the splits of a graph; test triples that stand in train stay, and the audit tells of them.</summary>
    public static CleaningReport Clean(KnowledgeGraph graph, int seed = DefaultSeed)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ImmutableArray<Triple> train = [.. graph.Train.Distinct()], validation = [.. graph.Validation.Distinct()], test = [.. graph.Test.Distinct()];
        var (inTrain, inTest) = (train.ToHashSet(), test.ToHashSet());
        var left = validation.RemoveAll(triple => inTrain.Contains(triple) || inTest.Contains(triple));
        var (rest, drawn) = (train, ImmutableArray<Triple>.Empty);
        if (left.Length < LeastShare * train.Length)
        {
            // A test triple that stands in train is no validation triple either.
            drawn = TripleDraw.Take(train.RemoveAll(inTest.Contains), graph.Entities.Labels, graph.Relations.Labels, DrawnShare, seed).Taken;
            rest = train.RemoveAll(drawn.ToHashSet().Contains);
        }

        var report = new CleaningReport(
            graph, (graph.Train.Length - train.Length, graph.Validation.Length - validation.Length, graph.Test.Length - test.Length),
            validation.Count(inTrain.Contains), validation.Count(triple => inTest.Contains(triple) && !inTrain.Contains(triple)), left.Length, drawn.Length, seed);
        return report with { Graph = graph.With(rest, left.AddRange(drawn), test, report.Lines) };
    }
}
