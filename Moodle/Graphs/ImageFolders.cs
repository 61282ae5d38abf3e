using System.Collections.Frozen;
using System.Collections.Immutable;

namespace Moodle.Graphs;

/// <summary>
/// Pictures on disk: a folder of them for each entity, named after the entity's label, within <c>images/</c>, <c>FB15k-images/</c>,
/// <c>wn18-images/</c> or <c>image-graph_images/</c>. The latter three may also lie beside the data set's folder, as MKGformer unpacks them.
/// </summary>
internal sealed class ImageFolders
{
    private const string Own = "images";
    private static readonly string[] s_known = ["FB15k-images", "wn18-images", "image-graph_images"];

    // What libvips reads, and what downloaders leave without any extension.
    private static readonly FrozenSet<string> s_extensions = new[]
    {
        "", ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".jp2", ".j2k", ".jxl", ".svg",
        ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".hdr", ".exr",
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    // One listing of each root instead of a look at the disk for every entity; it also keeps labels such as ".." inside.
    private readonly Dictionary<string, string> _folders = new(StringComparer.Ordinal);

    /// <summary>Looks a data set's folder through.</summary>
    public ImageFolders(string dataSet)
    {
        var beside = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(dataSet)));
        var roots = Below(dataSet, [Own, .. s_known]).Concat(beside is null ? [] : Below(beside, s_known));
        foreach (var folder in roots.SelectMany(Directory.EnumerateDirectories))
        {
            _folders.TryAdd(Path.GetFileName(folder), folder);
        }
    }

    /// <summary>The paths of an entity's pictures in ordinal order of their names; empty where there is none.</summary>
    /// <param name="label">The entity's label.</param>
    public ImmutableArray<string> Of(string label) =>
        _folders.TryGetValue(label, out var folder) || _folders.TryGetValue(FolderName(label), out folder) || _folders.TryGetValue(Uri.EscapeDataString(label), out folder)
            ? [.. Directory.EnumerateFiles(folder).Where(IsPicture).Order(StringComparer.Ordinal)]
            : [];

    /// <summary><c>/m/0abc</c> lies in <c>m.0abc</c>, the WordNet offset <c>00001740</c> in <c>n00001740</c>, others under their label.</summary>
    public static string FolderName(string label) =>
        label.Length == 8 && label.All(char.IsAsciiDigit) ? "n" + label : label.TrimStart('/').Replace('/', '.');

    private static IEnumerable<string> Below(string folder, string[] names)
    {
        var folders = Directory.EnumerateDirectories(folder).ToLookup(path => Path.GetFileName(path), StringComparer.OrdinalIgnoreCase);
        return names.SelectMany(name => folders[name].Order(StringComparer.Ordinal));
    }

    private static bool IsPicture(string path) => s_extensions.Contains(Path.GetExtension(path)) && !Path.GetFileName(path).StartsWith('.');
}
