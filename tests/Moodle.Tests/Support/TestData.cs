namespace Moodle.Tests.Support;

/// <summary>Finds data that tests read: what the repository holds, and the real data sets, which not every machine has.</summary>
public static class TestData
{
    /// <summary>The folder of the solution; null where the tests run away from it, as a published program.</summary>
    public static string? RepositoryRoot { get; } = FindRoot();

    /// <summary>
    /// A data set's folder or file: in the folder that <c>MOODLE_DATA</c> names, in <c>data/</c> of the repository, or in
    /// <c>shared/data</c> beside it. The test is skipped, with the reason, where none has it.
    /// </summary>
    public static string Require(params string[] path)
    {
        var roots = Roots().ToList();
        var found = roots.Select(root => Path.Combine([root, .. path])).FirstOrDefault(Path.Exists);
        if (found is null)
        {
            Assert.Inconclusive(
                $"{Path.Combine(path)} is not in {string.Join(" nor in ", roots)}; set MOODLE_DATA to the folder that holds it.");
        }
        return found!;
    }

    /// <summary>A file of the repository, such as a configuration. The test is skipped where the tests run away from it.</summary>
    public static string RequireRepository(params string[] path)
    {
        if (RepositoryRoot is null)
        {
            Assert.Inconclusive($"{Path.Combine(path)} is needed, and the tests run away from the repository.");
        }
        return Path.Combine([RepositoryRoot!, .. path]);
    }

    /// <summary>A new, empty folder, deleted at the end of the scope.</summary>
    public static TemporaryFolder NewFolder() => new();

    private static IEnumerable<string> Roots()
    {
        if (Environment.GetEnvironmentVariable("MOODLE_DATA") is { Length: > 0 } given)
        {
            yield return given;
        }
        if (RepositoryRoot is not null)
        {
            yield return Path.Combine(RepositoryRoot, "data");
            yield return Path.GetFullPath(Path.Combine(RepositoryRoot, "..", "shared", "data"));
        }
    }

    private static string? FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Moodle.sln")))
        {
            folder = Path.GetDirectoryName(folder);
        }
        return folder;
    }
}
