namespace Moodle.Runtime;

/// <summary>The user's cache folder: everything in it can be made again.</summary>
public static class UserCache
{
    /// <summary>The folder for one kind of content, made if it is not there: under <c>XDG_CACHE_HOME</c> or <c>~/.cache</c>, else the temporary folder.</summary>
    public static string Folder(string kind)
    {
        foreach (var root in Roots())
        {
            try
            {
                return Directory.CreateDirectory(Path.Combine(root, "moodle", kind)).FullName;
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // The next one may be writable.
            }
        }

        throw new InputException("no cache folder can be written; set XDG_CACHE_HOME to a writable folder");
    }

    private static IEnumerable<string> Roots()
    {
        if (Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache && Path.IsPathRooted(cache))
        {
            yield return cache;
        }

        if (Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) is { Length: > 0 } home)
        {
            yield return Path.Combine(home, ".cache");
        }

        yield return Path.GetTempPath();
    }
}
