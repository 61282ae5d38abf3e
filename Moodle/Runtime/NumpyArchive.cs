using System.IO.Compression;
using ICSharpCode.SharpZipLib.Checksum;
using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>NumPy's <c>.npz</c> format: a ZIP archive of <see cref="NumpyArray"/>s, packed or not. Only the arrays that are asked for are read.</summary>
public sealed class NumpyArchive : IDisposable
{
    // What unpacking may give: features shrink little, so more is no array but a trap for memory.
    private const long LargestGrowth = 64;
    private const long AlwaysAllowed = 1 << 26;
    private const string Extension = ".npy";

    private readonly ZipArchive _archive;
    private readonly Dictionary<string, ZipArchiveEntry> _entries = new(StringComparer.Ordinal);

    private NumpyArchive(string path, ZipArchive archive)
    {
        (Path, _archive) = (path, archive);
        foreach (var entry in archive.Entries.Where(entry => entry.FullName.EndsWith(Extension, StringComparison.Ordinal)))
        {
            _entries.TryAdd(entry.FullName[..^Extension.Length], entry);
        }
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The arrays' names, sorted.</summary>
    public IReadOnlyList<string> Names => [.. _entries.Keys.Order(StringComparer.Ordinal)];

    /// <summary>Opens a file.</summary>
    /// <exception cref="InputException">It cannot be read, or is no archive.</exception>
    public static NumpyArchive Open(string path)
    {
        FileStream? file = null;
        try
        {
            file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            return new NumpyArchive(path, new ZipArchive(file, ZipArchiveMode.Read));
        }
        catch (Exception e) when (e is InvalidDataException or IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            file?.Dispose();
            throw Unreadable(path, e);
        }
    }

    /// <summary>Whether there is an array of that name.</summary>
    public bool Contains(string name) => _entries.ContainsKey(name);

    /// <summary>Reads an array into new memory.</summary>
    /// <returns>On the CPU, of the file's type and shape, not contiguous where the file is in column order; the caller owns it.</returns>
    /// <exception cref="InputException">There is no such array, or it is cut off or malformed.</exception>
    public Tensor Read(string name)
    {
        if (!_entries.TryGetValue(name, out var entry))
        {
            throw new InputException($"{Path}: holds no array \"{name}\"; it has {string.Join(", ", Names)}");
        }

        try
        {
            Check(entry);
            using var stream = entry.Open();
            return NumpyArray.Read(stream, entry.Length, AlwaysAllowed + (LargestGrowth * entry.CompressedLength));
        }
        catch (InvalidDataException e)
        {
            throw new InputException($"{Path}: array \"{name}\": {e.Message.ReplaceLineEndings(" ").TrimEnd('.')}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw Unreadable(Path, e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _archive.Dispose();

    // Damaged numbers look like any others, and .NET does not hold entries against their checksums.
    private static void Check(ZipArchiveEntry entry)
    {
        using var stream = entry.Open();
        var (buffer, sum, length) = (new byte[1 << 16], new Crc32(), 0L);
        for (int got; length <= entry.Length && (got = stream.Read(buffer)) > 0; length += got)
        {
            sum.Update(new ArraySegment<byte>(buffer, 0, got));
        }

        if ((uint)sum.Value != entry.Crc32 || length != entry.Length)
        {
            throw new InvalidDataException("its checksum is wrong: the file is damaged");
        }
    }

    private static InputException Unreadable(string path, Exception e) => e is InvalidDataException or NotSupportedException or ArgumentException
        ? new InputException($"{path}: no valid .npz file, or cut off ({e.Message.ReplaceLineEndings(" ").TrimEnd('.')}); fetch it again, or write it with numpy.savez", e)
        : new InputException($"{path}: cannot be read: {e.Message.ReplaceLineEndings(" ").TrimEnd('.')}", e);
}
