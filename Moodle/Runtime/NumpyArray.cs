using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.RegularExpressions;
using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>
/// Arrays in NumPy's <c>.npy</c> format, versions 1 to 3, of numbers or truth values. An array of objects is a pickle, which is a program: it is
/// refused and never run. Nothing of a header is believed unchecked.
/// </summary>
public static partial class NumpyArray
{
    private const int LongestHeader = 1 << 16;
    private const int Chunk = 1 << 20;
    private static readonly byte[] s_magic = [0x93, .. "NUMPY"u8];

    private static readonly (string Name, ScalarType Type, int Size)[] s_types =
    [
        ("f2", ScalarType.Float16, 2), ("f4", ScalarType.Float32, 4), ("f8", ScalarType.Float64, 8), ("i1", ScalarType.Int8, 1), ("i2", ScalarType.Int16, 2),
        ("i4", ScalarType.Int32, 4), ("i8", ScalarType.Int64, 8), ("u1", ScalarType.Byte, 1), ("b1", ScalarType.Bool, 1),
    ];

    /// <summary>Reads a file.</summary>
    /// <returns>On the CPU, of the file's type and shape, not contiguous where the file is in column order; the caller owns it.</returns>
    /// <exception cref="InputException">It cannot be read, is cut off or malformed, or holds something else than numbers.</exception>
    public static Tensor Read(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16);
            return Read(file, file.Length, file.Length);
        }
        catch (InvalidDataException e)
        {
            throw new InputException($"{path}: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path}: cannot be read: {e.Message.ReplaceLineEndings(" ").TrimEnd('.')}", e);
        }
    }

    /// <summary>Reads an array from a stream of known length.</summary>
    /// <param name="stream">At its beginning.</param>
    /// <param name="length">All its bytes.</param>
    /// <param name="most">The most bytes that an array is believed to have.</param>
    /// <exception cref="InvalidDataException">What is wrong with it, and the remedy, without the file's name.</exception>
    internal static Tensor Read(Stream stream, long length, long most)
    {
        var (type, size, columnOrder, shape, headerLength) = ReadHeader(stream);
        // Products of 64-bit sizes may overflow, in torch too where a zero among them makes the tensor empty.
        var expected = shape.Aggregate((BigInteger)size, (product, dimension) => product * dimension);
        if (shape.Aggregate(BigInteger.One, (product, dimension) => product * Math.Max(dimension, 1)) > long.MaxValue / 8)
        {
            throw new InvalidDataException($"an array of shape [{string.Join(", ", shape)}] is too large");
        }

        if (expected != length - headerLength)
        {
            throw new InvalidDataException($"an array of shape [{string.Join(", ", shape)}] has {expected} bytes, "
                + $"{length - headerLength} follow its header; the file is cut off or damaged, fetch or write it again");
        }

        if (expected > most)
        {
            throw new InvalidDataException($"{expected} bytes are packed in so few that they are not believed; save the array with numpy.save");
        }

        if (columnOrder)
        {
            Array.Reverse(shape);
        }

        var tensor = empty(shape, dtype: type, device: CPU);
        try
        {
            Fill(tensor, (long)expected, stream);
        }
        catch
        {
            tensor.Dispose();
            throw;
        }

        if (!columnOrder)
        {
            return tensor;
        }

        using (tensor)
        {
            return tensor.permute([.. Enumerable.Range(0, shape.Length).Reverse().Select(axis => (long)axis)]);
        }
    }

    private static (ScalarType Type, int Size, bool ColumnOrder, long[] Shape, long Length) ReadHeader(Stream stream)
    {
        Span<byte> start = stackalloc byte[12];
        var read = stream.ReadAtLeast(start[..10], 10, throwOnEndOfStream: false);
        if (!start[..Math.Min(read, 6)].StartsWith(s_magic))
        {
            throw new InvalidDataException(start[0] == 0x80 || start[..2].SequenceEqual("PK"u8)
                ? "no .npy file but a pickle or an archive, which may hold programs and is not opened; load it in Python and save its array with numpy.save"
                : "no .npy file: it does not begin as one; save the array with numpy.save");
        }

        if (read < 10 || start[6] is < 1 or > 3)
        {
            throw new InvalidDataException(read < 10 ? "the header is cut off; fetch or write it again" : $"version {start[6]} of the .npy format is not known; save the array with numpy.save");
        }

        long length = BinaryPrimitives.ReadUInt16LittleEndian(start[8..]);
        var prefix = 10;
        if (start[6] > 1)
        {
            if (stream.ReadAtLeast(start[10..], 2, throwOnEndOfStream: false) < 2)
            {
                throw new InvalidDataException("the header is cut off; fetch or write it again");
            }

            (length, prefix) = (BinaryPrimitives.ReadUInt32LittleEndian(start[8..]), 12);
        }

        if (length > LongestHeader)
        {
            throw new InvalidDataException($"the header claims {length} bytes, more than the {LongestHeader} that are believed");
        }

        var bytes = new byte[length];
        if (stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length)
        {
            throw new InvalidDataException("the header is cut off; fetch or write it again");
        }

        var header = Encoding.Latin1.GetString(bytes);
        if (DescriptionPattern().Match(header) is not { Success: true } description || OrderPattern().Match(header) is not { Success: true } order
            || ShapePattern().Match(header) is not { Success: true } dimensions)
        {
            throw new InvalidDataException("the header names no plain type, order and shape (an array of records?); save a plain array with numpy.save");
        }

        var (type, size) = TypeOf(description.Groups[1].Value);
        var shape = new List<long>();
        foreach (var part in dimensions.Groups[1].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            shape.Add(long.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var dimension) && shape.Count < 16
                ? dimension
                : throw new InvalidDataException("the header's shape is no list of up to 16 sizes; fetch or write the file again"));
        }

        return (type, size, order.Groups[1].Value == "True", [.. shape], prefix + length);
    }

    private static (ScalarType Type, int Size) TypeOf(string description)
    {
        if (description.TrimStart('|', '<', '>', '=').StartsWith('O'))
        {
            throw new InvalidDataException("an array of objects is a pickle, which may hold programs and is not opened; in Python: numpy.save(\"new.npy\", numpy.load(\"old.npy\", allow_pickle=True).astype(\"float32\"))");
        }

        var known = Array.Find(s_types, type => description.EndsWith(type.Name, StringComparison.Ordinal) && description.Length == type.Name.Length + 1);
        if (known.Name is null)
        {
            throw new InvalidDataException($"elements of type '{description}' are not known; save them with .astype(\"float32\")");
        }

        return description[0] is '<' or '|' or '=' || known.Size == 1
            ? (known.Type, known.Size)
            : throw new InvalidDataException($"elements of type '{description}' are big-endian; save them with .astype(\"<{known.Name}\")");
    }

    private static unsafe void Fill(Tensor tensor, long byteCount, Stream stream)
    {
        var to = (byte*)tensor.Address();
        for (long at = 0, read; at < byteCount; at += read)
        {
            var part = new Span<byte>(to + at, (int)Math.Min(Chunk, byteCount - at));
            read = stream.Read(part);
            if (read == 0)
            {
                throw new InvalidDataException($"{byteCount - at} of {byteCount} bytes are missing; the file is cut off, fetch or write it again");
            }

            if (tensor.dtype == ScalarType.Bool)
            {
                // Any byte but 0 and 1 is undefined behaviour where C++ reads a bool.
                for (var i = 0; i < read; i++)
                {
                    part[i] = part[i] == 0 ? (byte)0 : (byte)1;
                }
            }
        }

        GC.KeepAlive(tensor);
    }

    [GeneratedRegex(@"'descr': *'([^']{1,16})'", RegexOptions.CultureInvariant)]
    private static partial Regex DescriptionPattern();

    [GeneratedRegex(@"'fortran_order': *(True|False)", RegexOptions.CultureInvariant)]
    private static partial Regex OrderPattern();

    [GeneratedRegex(@"'shape': *\(([0-9, ]*)\)", RegexOptions.CultureInvariant)]
    private static partial Regex ShapePattern();
}
