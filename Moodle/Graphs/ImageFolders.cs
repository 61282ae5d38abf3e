using System.Collections.Frozen;
using System.Collections.Immutable;

namespace Moodle.Graphs;

/// <summary>Pictures on disk: a folder of them for each entity, named after the entity's label.</summary>
internal static class ImageFolders
{
    private static readonly FrozenSet<string> Extensions =
        new[] { ".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff" }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    /// <summary>The paths of every entity's pictures in ordinal order of their names; empty where there is none.</summary>
    /// <param name="root">The folder that holds the entities' folders; may be missing.</param>
    /// <param name="labels">The entities' labels.</param>
    public static ImmutableArray<ImmutableArray<string>> Find(string root, IReadOnlyList<string> labels)
    {
        var result = ImmutableArray.CreateBuilder<ImmutableArray<string>>(labels.Count);
        // One listing of the root instead of a look at the disk for every entity; it also keeps labels such as ".." inside.
        var folders = Directory.Exists(root)
            ? Directory.EnumerateDirectories(root).ToDictionary(path => Path.GetFileName(path)!, StringComparer.Ordinal)
            : [];
        foreach (var label in labels)
        {
            result.Add(folders.TryGetValue(label, out var folder) || folders.TryGetValue(FolderName(label), out folder) ? Pictures(folder) : []);
        }

        return result.MoveToImmutable();
    }

    /// <summary><c>/m/0abc</c> lies in <c>m.0abc</c>, the WordNet offset <c>00001740</c> in <c>n00001740</c>, others under their label.</summary>
    public static string FolderName(string label) =>
        label.Length == 8 && label.All(char.IsAsciiDigit) ? "n" + label : label.TrimStart('/').Replace('/', '.');

    private static ImmutableArray<string> Pictures(string folder) =>
        [.. Directory.EnumerateFiles(folder)
            .Where(path => Extensions.Contains(Path.GetExtension(path)) && !Path.GetFileName(path).StartsWith('.'))
            .Order(StringComparer.Ordinal)];
}
