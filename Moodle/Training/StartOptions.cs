namespace Moodle.Training;

/// <summary>What a run's beginning can be told beside its configuration.</summary>
public sealed record StartOptions
{
    /// <summary>Whether a run that is in the folder already is replaced.</summary>
    public bool Force { get; init; }

    /// <summary>Whether the time of all parts is measured and written to the run's <c>profile.json</c>.</summary>
    public bool Profile { get; init; }

    /// <summary>Whether the test split is ranked at the end; without, it stays unread, for who still chooses between configurations.</summary>
    public bool Test { get; init; } = true;
}
