using System.Diagnostics;
using Moodle.Configuration;
using Moodle.Tests.Support;
using Moodle.Training.Search;

namespace Moodle.Tests.Solution;

/// <summary>What lies beside the code.</summary>
[TestClass]
public sealed class RepositoryTests
{
    private const long MostBytes = 1_000_000;

    [TestMethod]
    public void EveryConfiguration_Loads()
    {
        var files = Directory.GetFiles(TestData.RequireRepository("configs"), "*.yaml");
        Assert.IsNotEmpty(files);
        foreach (var file in files)
        {
            ConfigLoader.Load(file, []);
        }
    }

    [TestMethod]
    public void EverySpace_CanBeDrawnFrom()
    {
        var files = Directory.GetFiles(TestData.RequireRepository("configs", "spaces"), "*.yaml");
        Assert.IsNotEmpty(files);
        foreach (var file in files)
        {
            SearchTry.Draw(SearchSpaceReader.Read(file), TestData.RequireRepository("configs", Path.GetFileName(file)), []);
        }
    }

    [TestMethod]
    public void NoCommittedFile_IsLarge()
    {
        var root = Path.GetDirectoryName(TestData.RequireRepository("Moodle.sln"))!;
        if (!Path.Exists(Path.Combine(root, ".git")))
        {
            Assert.Inconclusive("not a git checkout");
        }

        using var git = Process.Start(new ProcessStartInfo("git", ["ls-files", "-z"]) { WorkingDirectory = root, RedirectStandardOutput = true })!;
        var files = git.StandardOutput.ReadToEnd().Split('\0', StringSplitOptions.RemoveEmptyEntries);
        git.WaitForExit();
        Assert.AreEqual(0, git.ExitCode);
        Assert.IsNotEmpty(files);
        string[] large = [.. files.Where(file => new FileInfo(Path.Combine(root, file)) is { Exists: true, Length: > MostBytes })];
        Assert.IsEmpty(large, $"over {MostBytes} bytes: {string.Join(", ", large)}");
    }
}
