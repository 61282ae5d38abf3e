using System.Collections.Immutable;
using CsvHelper;
using Moodle.Evaluation;
using Moodle.Runtime;

namespace Moodle.Training.Search;

/// <summary>A run of a search.</summary>
/// <param name="Try">The configuration.</param>
/// <param name="Rung">The rung, from 1.</param>
/// <param name="Outcome">How it ended.</param>
public sealed record SearchRun(SearchTry Try, int Rung, SearchOutcome Outcome);

/// <summary>What a search has found.</summary>
/// <param name="Tries">The configurations that were tried.</param>
/// <param name="Runs">All runs, the best first: by rung, since figures of unlike epochs do not compare, then by figure; failed ones last.</param>
/// <param name="TablePath">Where they stand as CSV.</param>
/// <param name="BestPath">Where the best configuration stands; not written where every run failed.</param>
public sealed record SearchResult(ImmutableArray<SearchTry> Tries, ImmutableArray<SearchRun> Runs, string TablePath, string BestPath)
{
    /// <summary>The best run of the last rung that any run came through; null where every run failed.</summary>
    public SearchRun? Best => Runs.FirstOrDefault(run => run.Outcome.ValidationMrr is not null);

    /// <summary>The keys that were searched.</summary>
    public ImmutableArray<string> Keys => [.. Tries[^1].Settings.Select(setting => setting.Key)];

    /// <summary>Every try's last run, in the same order.</summary>
    public ImmutableArray<SearchRun> OfTries => Sorted(Runs.GroupBy(run => run.Try.Number).Select(runs => runs.MaxBy(run => run.Rung)!));

    /// <summary>Runs in the order of a result.</summary>
    internal static ImmutableArray<SearchRun> Sorted(IEnumerable<SearchRun> runs) =>
        [.. runs.OrderBy(run => run.Outcome.ValidationMrr is null).ThenByDescending(run => run.Rung).ThenByDescending(run => run.Outcome.ValidationMrr).ThenBy(run => run.Try.Number)];

    /// <summary>Writes the table: a row for each run with its try, rung, validation_mrr, seconds and problem, and a column for each key that was searched.</summary>
    internal void WriteTable() => AtomicFile.Write(TablePath, stream =>
    {
        using var csv = new CsvWriter(new StreamWriter(stream, leaveOpen: true), CsvFormat.For(TablePath));
        foreach (var column in (string[])["try", "rung", "validation_mrr", "seconds", "problem", .. Keys])
        {
            csv.WriteField(column);
        }

        csv.NextRecord();
        foreach (var (tried, rung, outcome) in Runs)
        {
            csv.WriteField(tried.Number);
            csv.WriteField(rung);
            csv.WriteField(outcome.ValidationMrr);
            csv.WriteField(FormattableString.Invariant($"{outcome.Seconds:F1}"));
            csv.WriteField(outcome.Problem);
            foreach (var value in tried.Values(Keys))
            {
                csv.WriteField(value);
            }

            csv.NextRecord();
        }
    });
}
