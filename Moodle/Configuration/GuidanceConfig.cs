namespace Moodle.Configuration;

/// <summary>Mutual guidance: branches learn from each other's distributions over the candidates.</summary>
public sealed record GuidanceConfig
{
    /// <summary>Whether branches guide each other.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>λ_g: weight of guidance beside the branch's own cross-entropy, once warmed up.</summary>
    [AtLeast(0)]
    public double Weight { get; init; } = 0.5;

    /// <summary>τ: temperature that softens teacher and student.</summary>
    [MoreThan(0)]
    public double Temperature { get; init; } = 2;

    /// <summary>Epochs over which λ_g grows linearly from zero.</summary>
    [AtLeast(0)]
    public int WarmupEpochs { get; init; } = 5;

    /// <summary>Whether w_{n→m} follows, per relation, how much better n answers than m; otherwise every teacher weighs the same.</summary>
    public bool RelationAware { get; init; } = true;

    /// <summary>Up to so many entities the divergence is exact over all of them; above, over the teacher's best <see cref="TopK"/> and one lump of all others.</summary>
    [AtLeast(1)]
    public int ExactEntities { get; init; } = 2048;

    /// <summary>Candidates kept of each teacher's distribution for each query where the divergence is not exact.</summary>
    [AtLeast(1)]
    public int TopK { get; init; } = 64;
}
