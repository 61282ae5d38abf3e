namespace Moodle.Configuration;

/// <summary>Paths that a configuration names.</summary>
internal static class ConfigPath
{
    /// <summary>A path as it stands, from the working directory, or from the configuration file's folder and the folders above it.</summary>
    /// <param name="key">The key that names it.</param>
    /// <param name="path">The folder, or the file.</param>
    /// <param name="configFile">The configuration file.</param>
    /// <param name="what">What the key should be set to.</param>
    /// <param name="files">Whether a file will do.</param>
    /// <returns>The full path.</returns>
    /// <exception cref="InputException">There is none.</exception>
    public static string Resolve(string key, string path, string configFile, string what, bool files = false)
    {
        bool IsThere(string candidate) => Directory.Exists(candidate) || (files && File.Exists(candidate));
        var thing = files ? "file or folder" : "folder";
        if (Path.IsPathFullyQualified(path) || IsThere(path))
        {
            return IsThere(path) ? Path.GetFullPath(path) : throw new InputException($"{key}: there is no {thing} '{path}'; set it to {what}");
        }

        for (var folder = Directory.GetParent(Path.GetFullPath(configFile)); folder is not null; folder = folder.Parent)
        {
            var candidate = Path.Combine(folder.FullName, path);
            if (IsThere(candidate))
            {
                return candidate;
            }
        }

        throw new InputException($"{key}: there is no {thing} '{path}', neither from the working directory nor beside or above {configFile}; set it to {what}");
    }
}
