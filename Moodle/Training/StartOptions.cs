namespace Moodle.Training;

/// <summary>What a run's beginning can be told beside its configuration.</summary>
public sealed record StartOptions
{
    /// <summary>Whether a run that is in the folder already is replaced.</summary>
    public bool Force { get; init; }

    /// <summary>Whether the time of all parts is measured and written to the run's <c>profile.json</c>.</summary>
    public bool Profile { get; init; }
}
