using System.Collections.Immutable;
using System.Diagnostics;
using Moodle.Configuration;
using Moodle.Runtime;

namespace Moodle.Training.Search;

/// <summary>
/// A search for a good configuration: random draws, thinned out by successive halving (Jamieson and Talwalkar 2016). Every try of every rung is
/// an ordinary run, judged by validation; the test split is never looked at. The configuration that the search starts from is tried as well, on
/// every rung, so that the search cannot end below it.
/// </summary>
public sealed class ConfigurationSearch
{
    private readonly SearchPlan _plan;
    private readonly ImmutableArray<SearchTry> _tries;
    private readonly SearchFolder _folder;
    private readonly ITrainingMonitor _monitor;
    private readonly CancellationToken _cancellation;
    private readonly SearchClock _clock;
    private readonly List<SearchRun> _runs = [];

    private ConfigurationSearch(SearchPlan plan, ImmutableArray<SearchTry> tries, SearchFolder folder, ITrainingMonitor monitor, CancellationToken cancellation) =>
        (_plan, _tries, _folder, _monitor, _cancellation, _clock) = (plan, tries, folder, monitor, cancellation, new SearchClock(plan, tries[0].Config));

    /// <summary>Searches from the beginning, or goes on with the search that is in the folder.</summary>
    /// <param name="configFile">The configuration to start from.</param>
    /// <param name="sets">Values of it given as <c>key=value</c>.</param>
    /// <param name="space">What to draw from.</param>
    /// <param name="path">The search's folder.</param>
    /// <param name="force">Whether another search that is there is replaced.</param>
    /// <param name="monitor">Hears a line for each run that has ended, and the progress of the one at work.</param>
    /// <param name="cancellation">Finishes the step, saves and stops.</param>
    /// <exception cref="InputException">Something given cannot be used.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; another call goes on.</exception>
    public static SearchResult Run(
        string configFile, IReadOnlyList<string> sets, SearchSpace space, string path, bool force, ITrainingMonitor monitor, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(space);
        ArgumentNullException.ThrowIfNull(monitor);
        // All that a configuration can be refused for is found before anything is trained.
        var tries = SearchTry.Draw(space, configFile, sets);
        var start = tries[0].Config;
        var device = Devices.Parse(start.Device);
        var graph = Trainer.ReadData(start);
        foreach (var tried in tries.DistinctBy(tried => (tried.Config.Text.Features, tried.Config.Image.Features, string.Join(',', tried.Config.Modalities))))
        {
            FeatureBuilder.ReadOutside(tried.Config, graph);
        }

        using var folder = SearchFolder.Open(path, start, space, graph, force);
        Trainer.Describe(graph, start, device, monitor);
        return new ConfigurationSearch(space.Plan, tries, folder, monitor, cancellation).Run();
    }

    private SearchResult Run()
    {
        for (var rung = 1; rung <= _plan.Rungs; rung++)
        {
            var entrants = EntrantsOf(rung);
            Say($"rung {rung} of {_plan.Rungs}: {entrants.Length} configurations, {EpochsOf(_plan.Scale(_tries[0].Config, rung))}");
            for (var i = 0; i < entrants.Length; i++)
            {
                _cancellation.ThrowIfCancellationRequested();
                var run = SearchOutcome.Read(_folder.RunPath(entrants[i].Number, rung)) is { } before ? new SearchRun(entrants[i], rung, before) : Train(entrants[i], rung);
                _runs.Add(run);
                _clock.Add(run);
                KeepOnlyTheBest(rung);
                Say($"rung {rung}, {i + 1} of {entrants.Length}: {Describe(run)}; {_clock.Left(rung, entrants.Length - i - 1)} left");
            }
        }

        var result = new SearchResult(_tries, SearchResult.Sorted(_runs), _folder.TablePath, _folder.BestPath);
        result.WriteTable();
        if (result.Best is { } best)
        {
            AtomicFile.WriteText(_folder.BestPath, FormattableString.Invariant(
                $"# moodle tune: try {best.Try.Number}, the best of {_tries.Length} configurations; validation MRR {best.Outcome.ValidationMrr:F4}\n{ConfigLoader.ToYaml(best.Try.Config)}"));
        }

        return result;
    }

    // Whoever has been on a rung before, in a search of fewer tries, stays there: what was trained is not thrown away.
    private SearchTry[] EntrantsOf(int rung)
    {
        if (rung == 1)
        {
            return [.. _tries];
        }

        var before = SearchResult.Sorted(_runs.Where(run => run.Rung == rung - 1 && run.Outcome.ValidationMrr is not null)).Select(run => run.Try).ToArray();
        var best = before.Where(tried => tried.Number > 0).Take(_plan.Entrants(rung)).ToHashSet();
        return [.. before.Where(tried => tried.Number == 0 || best.Contains(tried) || SearchOutcome.Read(_folder.RunPath(tried.Number, rung)) is not null).OrderBy(tried => tried.Number)];
    }

    private SearchRun Train(SearchTry tried, int rung)
    {
        var (path, clock) = (_folder.RunPath(tried.Number, rung), Stopwatch.StartNew());
        SearchOutcome outcome;
        try
        {
            outcome = SearchOutcome.Of(Trainer.TrainOnly(_plan.Scale(tried.Config, rung), path, new RunMonitor(_monitor, $"rung {rung}, try {tried.Number}"), _cancellation));
        }
        catch (Exception exception) when (SearchOutcome.ProblemOf(exception) is { } problem)
        {
            outcome = new SearchOutcome(null, null, 0, clock.Elapsed.TotalSeconds, problem);
        }

        // Memory that only finalizers give back must not be missing in the next run.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        outcome.Write(path);
        return new SearchRun(tried, rung, outcome);
    }

    // No rung goes on from the one before, and nobody asks a model that was not chosen: tensors would only fill the disk.
    private void KeepOnlyTheBest(int rung)
    {
        var best = rung == _plan.Rungs ? SearchResult.Sorted(_runs)[0] : null;
        foreach (var run in _runs.Where(run => run.Rung == rung && run != best))
        {
            RunFolder.DropTensors(_folder.RunPath(run.Try.Number, rung));
        }
    }

    private string Describe(SearchRun run)
    {
        var settings = run.Try.Number == 0 ? "the configuration itself" : string.Join(", ", run.Try.Settings.Select(setting => $"{setting.Key}={setting.Text}"));
        var figure = run.Outcome.ValidationMrr is { } mrr ? FormattableString.Invariant($"validation MRR {mrr:F4}") : $"failed ({run.Outcome.Problem})";
        var best = SearchResult.Sorted(_runs.Where(other => other.Rung == run.Rung))[0];
        var soFar = best.Outcome.ValidationMrr is { } highest ? FormattableString.Invariant($"; best of the rung {highest:F4} (try {best.Try.Number})") : "";
        return FormattableString.Invariant($"try {run.Try.Number} ({settings}): {figure} in {run.Outcome.Seconds:F1} s{soFar}");
    }

    private static string EpochsOf(MoodleConfig config) => $"up to {(config.Paths.Enabled ? $"{config.Paths.Epochs} path, " : "")}{config.Training.Unimodal.Epochs} unimodal"
        + (config.HasFusion() ? $", {config.Training.Fusion.Epochs} fusion and {config.Training.Refit.Epochs} refit epochs" : " epochs");

    private void Say(string text)
    {
        _folder.Log(text);
        _monitor.Message(text);
    }

    /// <summary>A run's messages stand in its own log.</summary>
    private sealed class RunMonitor(ITrainingMonitor outer, string run) : ITrainingMonitor
    {
        public void Message(string text)
        {
        }

        public void Progress(string task, long done, long total, string unit) => outer.Progress($"{run}, {task}", done, total, unit);
    }
}
