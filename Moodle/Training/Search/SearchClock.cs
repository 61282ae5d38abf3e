using Moodle.Configuration;

namespace Moodle.Training.Search;

/// <summary>How long a search will take: by the epochs that are left, and the seconds that those behind it took.</summary>
internal sealed class SearchClock(SearchPlan plan, MoodleConfig start)
{
    private double _seconds;
    private double _epochs;

    /// <summary>A run has ended.</summary>
    public void Add(SearchRun run)
    {
        _seconds += run.Outcome.Seconds;
        _epochs += EpochsOf(run.Try.Config, run.Rung);
    }

    /// <summary>The time that is left, about: <c>h:mm:ss</c>.</summary>
    /// <param name="rung">The rung at work.</param>
    /// <param name="runs">Runs that are left on it.</param>
    public string Left(int rung, int runs)
    {
        var epochs = (double)runs * EpochsOf(start, rung);
        for (var later = rung + 1; later <= plan.Rungs; later++)
        {
            epochs += (1.0 + plan.Entrants(later)) * EpochsOf(start, later);
        }

        var left = (long)Math.Ceiling(epochs * _seconds / _epochs);
        return FormattableString.Invariant($"about {left / 3600}:{left / 60 % 60:00}:{left % 60:00}");
    }

    private double EpochsOf(MoodleConfig config, int rung)
    {
        config = plan.Scale(config, rung);
        var training = config.Training;
        return Math.Max(1, (config.Paths.Enabled ? config.Paths.Epochs : 0) + training.Unimodal.Epochs + (config.HasFusion() ? training.Fusion.Epochs + training.Refit.Epochs : 0));
    }
}
