namespace Moodle.Tests.Graphs;

/// <summary>Public data sets beside the repository or where <c>MOODLE_DATA</c> points; tests on them are skipped where there are none.</summary>
internal static class RealData
{
    public static string Folder(string name)
    {
        var root = Environment.GetEnvironmentVariable("MOODLE_DATA");
        for (var above = new DirectoryInfo(AppContext.BaseDirectory); root is null && above is not null; above = above.Parent)
        {
            if (File.Exists(Path.Combine(above.FullName, "Moodle.sln")))
            {
                root = Path.Combine(above.FullName, "..", "shared", "data");
            }
        }

        var folder = Path.Combine(root ?? "", name);
        if (!Directory.Exists(folder))
        {
            Assert.Inconclusive($"{name} is not at {folder}; set MOODLE_DATA to the folder that holds it");
        }

        return folder;
    }
}
