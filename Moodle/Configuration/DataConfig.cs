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

    /// <summary>Whether trained encoders with their features, and trained paths, are kept in the user's cache folder, for other runs with the same documents, pictures, triples, options and seed.</summary>
    public bool Cache { get; init; } = true;

    /// <summary>The same with full paths.</summary>
    /// <param name="configFile">The configuration file that names them.</param>
    /// <exception cref="InputException">A folder is not there.</exception>
    public DataConfig WithFullPaths(string configFile) => this with
    {
        Path = ConfigPath.Resolve("data.path", Path, configFile, "the folder with the data set's train, validation and test files"),
        LinksTo = LinksTo is null ? null : ConfigPath.Resolve("data.links_to", LinksTo, configFile, "the folder of the data set whose texts the links lead to"),
    };
}
