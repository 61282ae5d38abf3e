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
    public string Resolve(string configFile)
    {
        if (System.IO.Path.IsPathFullyQualified(Path) || Directory.Exists(Path))
        {
            return Directory.Exists(Path)
                ? System.IO.Path.GetFullPath(Path)
                : throw new InputException($"data.path: there is no folder '{Path}'; set it to the folder with the data set's train, validation and test files");
        }

        for (var folder = Directory.GetParent(System.IO.Path.GetFullPath(configFile)); folder is not null; folder = folder.Parent)
        {
            var candidate = System.IO.Path.Combine(folder.FullName, Path);
            if (Directory.Exists(candidate))
            {
                return candidate;
            }
        }

        throw new InputException($"data.path: there is no folder '{Path}', neither from the working directory nor beside or above {configFile}; "
            + "set it to the folder with the data set's train, validation and test files");
    }
}
