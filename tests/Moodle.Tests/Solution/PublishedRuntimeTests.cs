using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Xml.Linq;
using Moodle.Tests.Support;

namespace Moodle.Tests.Solution;

/// <summary>
/// Directory.Build.targets leaves parts of the runtime out of self-contained programs. A program that refers to one builds and runs
/// here all the same, and fails only where it was published to: this test says so earlier.
/// </summary>
[TestClass]
public sealed class PublishedRuntimeTests
{
    [TestMethod]
    public void NothingLeftOut_IsReferredTo()
    {
        var leftOut = XDocument.Load(TestData.RequireRepository("Directory.Build.targets")).Descendants("_UnusedRuntime")
            .SelectMany(element => element.Value.Split('|'))
            .Where(name => name.StartsWith("System.", StringComparison.Ordinal) || name.StartsWith("Microsoft.", StringComparison.Ordinal))
            .ToArray();
        Assert.IsNotEmpty(leftOut);
        var used = ReferencesOf("moodle");
        Assert.IsTrue(used.Contains("TorchSharp") && used.Contains("System.Linq"), "the walk over references went nowhere");
        string[] missing = [.. leftOut.Where(used.Contains)];
        Assert.IsEmpty(missing, $"Directory.Build.targets leaves out what is used: {string.Join(", ", missing)}");
    }

    /// <summary>All assemblies that one refers to, directly or through others.</summary>
    private static HashSet<string> ReferencesOf(string name)
    {
        var found = new HashSet<string>();
        var open = new Queue<string>([name]);
        while (open.TryDequeue(out var assembly))
        {
            foreach (var reference in DirectReferencesOf(assembly).Where(found.Add))
            {
                open.Enqueue(reference);
            }
        }

        return found;
    }

    private static IEnumerable<string> DirectReferencesOf(string name)
    {
        // netstandard refers to all of the runtime, for the sake of the few types that someone wants.
        var path = new[] { AppContext.BaseDirectory, Path.GetDirectoryName(typeof(object).Assembly.Location)! }
            .Select(folder => Path.Combine(folder, name + ".dll")).FirstOrDefault(File.Exists);
        if (path is null || name == "netstandard")
        {
            return [];
        }

        using var file = new PEReader(File.OpenRead(path));
        var reader = file.GetMetadataReader();
        return [.. reader.AssemblyReferences.Select(reference => reader.GetString(reader.GetAssemblyReference(reference).Name))];
    }
}
