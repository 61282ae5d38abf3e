namespace Moodle.Runtime;

/// <summary>The user's cache folder: everything in it can be made again.</summary>
public static class UserCache
{
    /// <summary>The folder for one kind of content, made if it is not there: <see cref="OwnFolder"/>, else one in the temporary folder, to which others may write.</summary>
    /// <exception cref="InputException">None can be made.</exception>
    public static string Folder(string kind) => OwnFolder(kind) ?? Make(Path.GetTempPath(), kind)
        ?? throw new InputException("no cache folder can be written; set XDG_CACHE_HOME to a writable folder");

    /// <summary>The folder for one kind of content that is the user's own, under <c>XDG_CACHE_HOME</c> or <c>~/.cache</c>; null where none can be made.</summary>
    public static string? OwnFolder(string kind) =>
        Roots().Select(root => Make(root, kind)).FirstOrDefault(folder => folder is not null);

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
    }

    private static string? Make(string root, string kind)
    {
        try
        {
            return Directory.CreateDirectory(Path.Combine(root, "moodle", kind)).FullName;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
