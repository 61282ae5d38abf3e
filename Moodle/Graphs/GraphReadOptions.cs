namespace Moodle.Graphs;

/// <summary>How a data set's folder is read.</summary>
public sealed record GraphReadOptions
{
    /// <summary>The name for finding the layout out.</summary>
    public const string AutoLayout = "auto";

    /// <summary>The layout to take, or <c>auto</c> for the first that the folder's files speak for.</summary>
    public string Layout { get; init; } = AutoLayout;

    /// <summary>The data set that links (<c>*SameAsLink.txt</c>) lead to; null takes a folder beside this one whose name begins with FB15K.</summary>
    public string? LinksTo { get; init; }

    /// <summary>Whether splits are cleaned, see <see cref="GraphCleaning"/>.</summary>
    public bool Clean { get; init; }

    /// <summary>Seed of the validation triples that cleaning draws where it must.</summary>
    public int CleanSeed { get; init; } = GraphCleaning.DefaultSeed;
}
