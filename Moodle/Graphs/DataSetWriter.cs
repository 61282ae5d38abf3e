using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Moodle.Graphs;

/// <summary>What becomes of pictures when a data set is converted.</summary>
public enum PictureTransfer
{
    /// <summary>They are copied.</summary>
    Copy,

    /// <summary>They are hard-linked, which costs no space but needs the same file system.</summary>
    Link,

    /// <summary>They are left out.</summary>
    None,
}

/// <summary>
/// Writes a graph in the documented layout, MKGformer's: <c>train.tsv</c>, <c>dev.tsv</c>, <c>test.tsv</c>, <c>entities.txt</c>, <c>entity2text.txt</c>,
/// <c>entity2textlong.txt</c>, <c>relation2text.txt</c>, <c>images/</c>.
/// </summary>
public static partial class DataSetWriter
{
    private static readonly string[] s_files =
        ["train.tsv", "dev.tsv", "test.tsv", "entities.txt", "entity2text.txt", "entity2textlong.txt", "relation2text.txt", "conversion.txt"];

    /// <summary>Writes a data set.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="folder">The folder to write, missing or empty.</param>
    /// <param name="pictures">What becomes of pictures.</param>
    /// <param name="force">Whether a folder that is not empty is written to all the same; its files of the same names and its pictures are replaced.</param>
    /// <param name="progress">Told of every entity whose pictures are done.</param>
    /// <param name="cancellation">Stops between entities; the splits, written last, are then missing.</param>
    /// <exception cref="InputException">The folder is not empty, is the data set's own, or cannot be written; or a label cannot be carried.</exception>
    public static void Write(
        KnowledgeGraph graph, string folder, PictureTransfer pictures, bool force, Action<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(graph);
        try
        {
            Prepare(graph, folder, force);
            if (pictures != PictureTransfer.None)
            {
                WritePictures(graph, Path.Combine(folder, "images"), pictures, progress, cancellation);
            }

            var entities = graph.Entities.Labels;
            string In(string file) => Path.Combine(folder, file);
            Tsv.Write(In("entities.txt"), entities.Select(label => new[] { label }));
            WriteTexts(In("entity2text.txt"), entities, [.. graph.GivenNames]);
            WriteTexts(In("entity2textlong.txt"), entities, graph.Descriptions);
            WriteTexts(In("relation2text.txt"), graph.Relations.Labels, [.. graph.RelationNames.Select((name, id) => name == graph.Relations[id] ? null : name)]);
            Tsv.Write(In("conversion.txt"), graph.Notes.Prepend($"from {graph.Path} ({graph.Layout} layout)").Select(line => new[] { line }));
            foreach (var (split, file) in new[] { (Split.Test, "test.tsv"), (Split.Validation, "dev.tsv"), (Split.Train, "train.tsv") })
            {
                Tsv.Write(In(file), graph.TriplesOf(split).Select(triple => new[] { entities[triple.Head], graph.Relations[triple.Relation], entities[triple.Tail] }));
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{folder}: cannot be written: {error.Message.ReplaceLineEndings(" ").TrimEnd('.')}; free some space, mend the permissions or name another folder", error);
        }
    }

    private static void Prepare(KnowledgeGraph graph, string folder, bool force)
    {
        if (File.Exists(folder))
        {
            throw new InputException($"{folder}: is a file; name a folder that is missing or empty");
        }

        if (Same(graph.Path, folder))
        {
            throw new InputException($"{folder}: is the data set's own folder; name another to write to");
        }

        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
        {
            if (!force)
            {
                throw new InputException($"{folder}: is not empty; name another folder, or replace the data set in it with --force");
            }

            // Links are removed, not what they lead to.
            var images = Path.Combine(folder, "images");
            if (Directory.Exists(images) && new DirectoryInfo(images).LinkTarget is not null)
            {
                Directory.Delete(images);
            }
            else if (Directory.Exists(images))
            {
                if (graph.Images.Any(paths => paths.Any(path => Path.GetFullPath(path).StartsWith(Path.GetFullPath(images) + Path.DirectorySeparatorChar, StringComparison.Ordinal))))
                {
                    throw new InputException($"{images}: holds the pictures that are to be converted; name another folder to write to");
                }

                Directory.Delete(images, recursive: true);
            }

            foreach (var file in s_files)
            {
                File.Delete(Path.Combine(folder, file));
            }
        }

        Directory.CreateDirectory(folder);
    }

    private static bool Same(string one, string other)
    {
        static string Real(string path) => Path.TrimEndingDirectorySeparator(new DirectoryInfo(path).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? Path.GetFullPath(path));
        return Directory.Exists(other) && Real(one) == Real(other);
    }

    private static void WriteTexts(string path, ImmutableArray<string> labels, ImmutableArray<string?> texts)
    {
        if (texts.Any(text => text is not null))
        {
            Tsv.Write(path, labels.Zip(texts).Where(pair => pair.Second is not null).Select(pair => new[] { pair.First, OneLine(pair.Second!) }));
        }
    }

    // A text holds whatever its source had; a line of the format ends at the first line end.
    private static string OneLine(string text) => text.Replace('\t', ' ').ReplaceLineEndings(" ").Replace('\r', ' ').Replace('\n', ' ');

    private static void WritePictures(KnowledgeGraph graph, string images, PictureTransfer how, Action<int>? progress, CancellationToken cancellation)
    {
        var taken = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        for (var entity = 0; entity < graph.Entities.Count; entity++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (graph.Images[entity] is { Length: > 0 } paths)
            {
                var folder = Path.Combine(images, FolderName(graph.Entities[entity], taken));
                Directory.CreateDirectory(folder);
                foreach (var path in paths)
                {
                    Transfer(path, Path.Combine(folder, Path.GetFileName(path)), how);
                }
            }

            progress?.Invoke(entity + 1);
        }
    }

    // The usual name where it is one on every system and no other entity's, otherwise the label escaped as in a URL.
    private static string FolderName(string label, HashSet<string> taken)
    {
        const int Longest = 255;
        return new[] { ImageFolders.FolderName(label), Uri.EscapeDataString(label) }.FirstOrDefault(name =>
                name.Length is > 0 and <= Longest && name.Trim('.', ' ').Length > 0 && name.IndexOfAny(['\\', '/', ':', '*', '?', '"', '<', '>', '|', '\0']) < 0 && taken.Add(name))
            ?? throw new InputException($"entity '{label}': no folder for its pictures can be named after it; convert with --pictures none");
    }

    private static void Transfer(string from, string to, PictureTransfer how)
    {
        if (how == PictureTransfer.Copy)
        {
            File.Copy(from, to);
            return;
        }

        // A link to a link would not outlive the data set that is converted.
        var real = new FileInfo(from).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? from;
        var done = OperatingSystem.IsWindows() ? CreateHardLink(to, real, 0) : Link(real, to) == 0;
        if (!done)
        {
            throw new InputException($"{to}: cannot be hard-linked to {real} ({Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}); convert with --pictures copy");
        }
    }

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Link(string existing, string path);

    [LibraryImport("kernel32", EntryPoint = "CreateHardLinkW", SetLastError = true, StringMarshalling = StringMarshalling.Utf16)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool CreateHardLink(string path, string existing, nint security);
}
