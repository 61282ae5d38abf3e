namespace Moodle.Runtime;

/// <summary>
/// Writes a file beside its place, brings it to the disk and renames it: whoever reads the path sees the old file or the whole
/// new one, also after a crash or a power cut.
/// </summary>
public static class AtomicFile
{
    /// <summary>Writes a file; the folder is made where it is missing, and nothing is left behind when <paramref name="write"/> fails.</summary>
    /// <param name="path">The file, which may exist.</param>
    /// <param name="write">Writes the content; the stream can seek.</param>
    /// <exception cref="InputException">The file cannot be written: no permission, a full disk, a folder of that name.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        var full = Path.GetFullPath(path);
        var beside = Path.Combine(Path.GetDirectoryName(full) ?? full, $".{Path.GetFileName(full)}.{Guid.NewGuid():N}.tmp");
        try
        {
            if (Directory.Exists(full))
            {
                throw new IOException("it is a folder");
            }
            if (full.StartsWith("/dev/", StringComparison.Ordinal) && !full.StartsWith("/dev/shm/", StringComparison.Ordinal) && File.Exists(full))
            {
                // A device or a pipe (/dev/stdout, a shell's <(...)) is written to, never replaced by a file.
                using var device = new FileStream(full, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
                using var content = new MemoryStream();
                write(content);
                content.WriteTo(device);
                return;
            }
            Directory.CreateDirectory(Path.GetDirectoryName(full)!);
            try
            {
                using (var stream = new FileStream(beside, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None))
                {
                    write(stream);
                    stream.Flush(flushToDisk: true);
                }
                File.Move(beside, full, overwrite: true);
            }
            catch
            {
                Remove(beside);
                throw;
            }
        }
        // .NET's word for a file that outgrows what the file system or a limit allows (EFBIG) is an argument named value.
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException { ParamName: "value" })
        {
            throw new InputException(
                $"{path}: cannot be written: {e.Message.ReplaceLineEndings(" ").TrimEnd('.')}; free some space, mend the permissions or name another file", e);
        }
    }

    /// <summary>Writes a text file in UTF-8 without a byte order mark.</summary>
    /// <inheritdoc cref="Write"/>
    /// <param name="path">The file, which may exist.</param>
    /// <param name="text">The whole content.</param>
    public static void WriteText(string path, string text) => Write(path, stream =>
    {
        using var writer = new StreamWriter(stream, leaveOpen: true);
        writer.Write(text);
    });

    private static void Remove(string file)
    {
        try
        {
            File.Delete(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The first failure is the one to report.
        }
    }

    /// <summary>Copies a file, beside its place and renamed.</summary>
    /// <exception cref="InputException">The copy cannot be written.</exception>
    public static void Copy(string from, string to) => Write(to, stream =>
    {
        using var source = File.OpenRead(from);
        source.CopyTo(stream);
    });
}
