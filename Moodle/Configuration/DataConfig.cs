namespace Moodle.Configuration;

/// <summary>The data set.</summary>
public sealed record DataConfig
{
    /// <summary>Its folder. A relative path is tried from the working directory, then from the configuration file's folder and the folders above it.</summary>
    public string Path { get; init; } = "data/atlas";

    /// <summary>Whether trained encoders and their features are kept in the user's cache folder, for other runs with the same documents, pictures, options and seed.</summary>
    public bool Cache { get; init; } = true;

    /// <summary>The folder that <see cref="Path"/> means, as a full path.</summary>
    /// <param name="configFile">The configuration file that names it.</param>
    /// <exception cref="InputException">There is no such folder.</exception>
    public string Resolve(string configFile) => ConfigPath.Resolve("data.path", Path, configFile, "the folder with the data set's train, validation and test files");
}
