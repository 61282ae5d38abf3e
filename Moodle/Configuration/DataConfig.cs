namespace Moodle.Configuration;

/// <summary>The data set.</summary>
public sealed record DataConfig
{
    /// <summary>Its folder. A relative path is tried from the working directory, then from the configuration file's folder and the folders above it.</summary>
    public string Path { get; init; } = "data/atlas";

    /// <summary>Its layout on disk; <c>auto</c> recognises it.</summary>
    [OneOfPattern("^(auto|mkgformer|libkge|pykeen|openke|mygo|momok|mose|mmkb)$", "auto, mkgformer, libkge, pykeen, openke, mygo, momok, mose or mmkb")]
    public string Layout { get; init; } = "auto";

    /// <summary>Folder of the data set that its links (*SameAsLink.txt) lead to, whose texts and pictures then serve; null takes a folder beside it whose name begins with FB15K. Relative as for path.</summary>
    public string? LinksTo { get; init; }

    /// <summary>Whether splits are cleaned as they are read: repetitions dropped, and from validation what stands in train or test; too small a validation split is drawn from train, as by <c>moodle data convert --clean</c>.</summary>
    public bool Clean { get; init; }

    /// <summary>Whether trained encoders and their features are kept in the user's cache folder, for other runs with the same documents, pictures, options and seed.</summary>
    public bool Cache { get; init; } = true;

    /// <summary>The same with full paths.</summary>
    /// <param name="configFile">The configuration file.</param>
    /// <exception cref="InputException">A folder is not there.</exception>
    public DataConfig Resolved(string configFile) => this with
    {
        Path = Resolve(configFile),
        LinksTo = LinksTo is null ? null : Find(LinksTo, configFile)
            ?? throw new InputException($"data.links_to: there is no folder '{LinksTo}'; set it to the folder of the data set whose texts the links lead to"),
    };

    /// <summary>The folder that <see cref="Path"/> means, as a full path.</summary>
    /// <param name="configFile">The configuration file that names it.</param>
    /// <exception cref="InputException">There is no such folder.</exception>
    public string Resolve(string configFile) => Find(Path, configFile)
        ?? throw new InputException($"data.path: there is no folder '{Path}'"
            + (System.IO.Path.IsPathFullyQualified(Path) ? "" : $", neither from the working directory nor beside or above {configFile}")
            + "; set it to the folder with the data set's train, validation and test files");

    private static string? Find(string path, string configFile)
    {
        if (System.IO.Path.IsPathFullyQualified(path) || Directory.Exists(path))
        {
            return Directory.Exists(path) ? System.IO.Path.GetFullPath(path) : null;
        }

        for (var folder = Directory.GetParent(System.IO.Path.GetFullPath(configFile)); folder is not null; folder = folder.Parent)
        {
            var candidate = System.IO.Path.Combine(folder.FullName, path);
            if (Directory.Exists(candidate))
            {
                return candidate;
            }
        }

        return null;
    }
}
