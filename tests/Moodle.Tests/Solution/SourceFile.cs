using Moodle.Tests.Support;

namespace Moodle.Tests.Solution;

/// <summary>A source file of the repository.</summary>
/// <param name="Path">Its path from the repository's root, with slashes.</param>
/// <param name="Lines">Its lines.</param>
internal sealed record SourceFile(string Path, string[] Lines)
{
    /// <summary>The lines that are no comment of their own, with their numbers from 1.</summary>
    public IEnumerable<(int Number, string Text)> Code => Lines
        .Select((text, index) => (Number: index + 1, Text: text))
        .Where(line => !line.Text.TrimStart().StartsWith("//", StringComparison.Ordinal));

    /// <summary>The C# files below folders of the repository, without what builds leave there.</summary>
    public static IEnumerable<SourceFile> Below(params string[] folders)
    {
        var root = System.IO.Path.GetDirectoryName(TestData.RequireRepository("Moodle.sln"))!;
        return folders
            .SelectMany(folder => Directory.EnumerateFiles(System.IO.Path.Combine(root, folder), "*.cs", SearchOption.AllDirectories))
            .Select(path => (Full: path, Path: System.IO.Path.GetRelativePath(root, path).Replace('\\', '/')))
            .Where(file => !file.Path.Split('/').Any(part => part is "bin" or "obj"))
            .Select(file => new SourceFile(file.Path, File.ReadAllLines(file.Full)));
    }
}
