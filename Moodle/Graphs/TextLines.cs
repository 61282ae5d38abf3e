using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Moodle.Graphs;

/// <summary>
/// Text files line by line: UTF-8, any line end, a byte order mark or none; files that end in <c>.gz</c> are unpacked on the way.
/// Everything that is wrong with a file is an <see cref="InputException"/>.
/// </summary>
internal static class TextLines
{
    // What unpacking may give: real lists of triples shrink to a third, so more is no list but a trap for memory.
    private const long LargestGrowth = 50;
    private const long AlwaysAllowed = 1 << 20;

    /// <summary>Reads a file; lines that hold nothing but blanks are left out, and lines are numbered from 1.</summary>
    /// <exception cref="InputException">The file is missing, cannot be read, is not UTF-8, or no valid gzip.</exception>
    public static IEnumerable<(long Number, string Text)> Read(string path)
    {
        using var reader = Open(path);
        for (var number = 1L; Next(reader, path, number) is { } line; number++)
        {
            if (!string.IsNullOrWhiteSpace(line))
            {
                yield return (number, line);
            }
        }
    }

    /// <summary>The first line that is not empty, null where there is none or the file cannot be read as text: for looking at a layout.</summary>
    public static string? First(string path)
    {
        try
        {
            return Read(path).Select(line => line.Text).FirstOrDefault();
        }
        catch (InputException)
        {
            return null;
        }
    }

    /// <summary>Opens a file as strict UTF-8.</summary>
    internal static StreamReader Open(string path)
    {
        try
        {
            var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16);
            Stream content = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase)
                ? new Unpacking(new GZipStream(file, CompressionMode.Decompress), AlwaysAllowed + (LargestGrowth * file.Length), UnpackedLength(file), path)
                : file;
            return new StreamReader(content, new UTF8Encoding(true, throwOnInvalidBytes: true), detectEncodingFromByteOrderMarks: false, 1 << 16);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new InputException($"{path}: no such file", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, error);
        }
    }

    /// <summary>A file that the system does not let us read.</summary>
    internal static InputException Unreadable(string path, Exception error) =>
        new($"{path}: cannot be read: {error.Message.ReplaceLineEndings(" ").TrimEnd('.')}", error);

    /// <summary>A file that is not UTF-8, with the first line that is not.</summary>
    internal static InputException NotUtf8(string path, DecoderFallbackException error) =>
        new($"{path}:{FirstInvalidLine(path)}: not valid UTF-8; save the file as UTF-8", error);

    private static string? Next(StreamReader reader, string path, long number)
    {
        try
        {
            var line = reader.ReadLine();
            return number == 1 ? line?.TrimStart('\uFEFF') : line;
        }
        catch (DecoderFallbackException error)
        {
            throw path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? new InputException($"{path}: not valid UTF-8; save the file as UTF-8", error) : NotUtf8(path, error);
        }
        catch (InvalidDataException error)
        {
            throw new InputException($"{path}: no valid gzip file, or cut off; fetch it again", error);
        }
        catch (IOException error)
        {
            throw Unreadable(path, error);
        }
    }

    // The decoder works ahead of the lines in blocks, so the line is looked for again in the bytes.
    private static int FirstInvalidLine(string path)
    {
        var bytes = File.ReadAllBytes(path).AsSpan();
        var line = 1;
        while (true)
        {
            var end = bytes.IndexOf((byte)'\n');
            if (!System.Text.Unicode.Utf8.IsValid(end < 0 ? bytes : bytes[..end]) || end < 0)
            {
                return line;
            }

            bytes = bytes[(end + 1)..];
            line++;
        }
    }

    // The end of a gzip file, as far as 32 bits tell; the library ends quietly where a file is cut off.
    private static uint UnpackedLength(FileStream file)
    {
        Span<byte> length = stackalloc byte[4];
        if (file.Length < 18)
        {
            return 0;
        }

        file.Seek(-4, SeekOrigin.End);
        file.ReadExactly(length);
        file.Seek(0, SeekOrigin.Begin);
        return BinaryPrimitives.ReadUInt32LittleEndian(length);
    }

    /// <summary>Ends with an error where more bytes come than are believed, or not as many as the file says.</summary>
    private sealed class Unpacking(Stream inner, long most, uint length, string path) : Stream
    {
        private long _read;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            var read = inner.Read(buffer);
            _read += read;
            if (read == 0 && buffer.Length > 0 && (uint)_read != length)
            {
                throw new InvalidDataException();
            }

            return _read <= most ? read : throw new InputException($"{path}: unpacks to more than {LargestGrowth} times its size; unpack it by hand if it is sound");
        }

        public override void Flush() => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
