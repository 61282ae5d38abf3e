using System.IO.Compression;
using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>NumPy's archive of named arrays (<c>np.savez</c>, compressed or not), open for reading. What <see cref="Npy"/> says of types holds here.</summary>
public sealed class Npz : IDisposable
{
    private const string Extension = ".npy";
    private readonly ZipArchive _archive;
    private readonly SortedDictionary<string, ZipArchiveEntry> _entries = new(StringComparer.Ordinal);

    private Npz(string path, ZipArchive archive)
    {
        (Path, _archive) = (path, archive);
        foreach (var entry in archive.Entries)
        {
            if (!entry.FullName.EndsWith(Extension, StringComparison.Ordinal) || !_entries.TryAdd(entry.FullName[..^Extension.Length], entry))
            {
                throw new InvalidDataException($"its entry '{entry.FullName}' is no array, or stands there twice");
            }
        }
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The arrays' names, sorted.</summary>
    public IReadOnlyCollection<string> Names => _entries.Keys;

    /// <summary>Opens an archive; arrays are read when they are asked for.</summary>
    /// <exception cref="InputException">It cannot be read or is no archive of arrays.</exception>
    public static Npz Open(string path)
    {
        FileStream? file = null;
        try
        {
            file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            return new Npz(path, new ZipArchive(file, ZipArchiveMode.Read));
        }
        catch (Exception e) when (e is InvalidDataException or IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            file?.Dispose();
            throw Problem(path, "", e);
        }
    }

    /// <summary>Reads an array; memory is allocated only once the archive has been seen to hold as much.</summary>
    /// <returns>On the CPU, of the file's type and shape, contiguous; the caller owns it.</returns>
    /// <exception cref="InputException">There is none of that name, or it is damaged.</exception>
    public Tensor Read(string name)
    {
        if (!_entries.TryGetValue(name, out var entry))
        {
            throw new InputException($"{Path}: holds no array \"{name}\"");
        }

        try
        {
            // An archive may claim any length for what it compresses: unpacked once to see, and to check, and once to keep.
            var length = Check(entry);
            using var stream = entry.Open();
            return Npy.Read(stream, length);
        }
        catch (Exception e) when (e is InvalidDataException or IOException or NotSupportedException or ArgumentException)
        {
            throw Problem(Path, $"array \"{name}\": ", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _archive.Dispose();

    private static long Check(ZipArchiveEntry entry)
    {
        using var stream = entry.Open();
        var (buffer, length, sum) = (new byte[1 << 16], 0L, 0u);
        for (int got; (got = stream.Read(buffer)) > 0; length += got)
        {
            sum = Crc32.Of(buffer.AsSpan(0, got), sum);
        }

        return sum == entry.Crc32 ? length : throw new InvalidDataException("its checksum is wrong: the file is damaged");
    }

    private static InputException Problem(string path, string what, Exception e) =>
        e is UnauthorizedAccessException || (e is IOException && e is not EndOfStreamException)
        ? new InputException($"{path}: cannot be read: {e.Message.ReplaceLineEndings(" ").TrimEnd('.')}", e)
        : new InputException($"{path}: no valid .npz file: {what}{e.Message.ReplaceLineEndings(" ").TrimEnd('.')}; fetch or write it again", e);
}
