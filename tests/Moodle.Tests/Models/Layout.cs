using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Moodle.Tests.Models;

/// <summary>
/// Names and shapes of what checkpoints hold, compared with a file beside the test. Such a file changes only together with a reader
/// of the older checkpoints; run the tests once with <c>MOODLE_APPROVE=1</c> to write it anew.
/// </summary>
internal static class Layout
{
    /// <summary>A module's parameters and persistent buffers, one a line, by name.</summary>
    public static string Of(string title, nn.Module module) => $"{title}\n" + string.Concat(module.state_dict()
        .OrderBy(entry => entry.Key, StringComparer.Ordinal)
        .Select(entry => $"  {entry.Key} {entry.Value.dtype} [{string.Join(", ", entry.Value.shape)}]\n"));

    /// <summary>Compares a text with the approved one, <c>name.approved.txt</c> beside the caller's file.</summary>
    public static void IsApproved(string text, string name, [CallerFilePath] string caller = "")
    {
        var file = Path.Combine(Path.GetDirectoryName(caller)!, $"{name}.approved.txt");
        if (Environment.GetEnvironmentVariable("MOODLE_APPROVE") == "1")
        {
            File.WriteAllText(file, text);
        }

        if (!File.Exists(file))
        {
            Assert.Inconclusive($"{file} is needed, and the tests run away from the repository.");
        }

        Assert.AreEqual(File.ReadAllText(file).ReplaceLineEndings("\n"), text, "the layout of checkpoints changed; MOODLE_APPROVE=1 writes it anew");
    }
}
