namespace Moodle.Configuration;

/// <summary>Ranking and its intervals.</summary>
public sealed record EvaluationConfig
{
    /// <summary>Distinct queries that are scored together.</summary>
    [AtLeast(1)]
    public int BatchSize { get; init; } = 512;

    /// <summary>Bootstrap samples of the 95 % intervals; 0 leaves intervals out.</summary>
    [AtLeast(0)]
    public int BootstrapSamples { get; init; } = 1000;
}
