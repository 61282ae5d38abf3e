namespace Moodle.Configuration;

/// <summary>The data set.</summary>
public sealed record DataConfig
{
    /// <summary>Its folder. A relative path is tried from the working directory, then from the configuration file's folder and the folders above it.</summary>
    public string Path { get; init; } = "data/atlas";
}
