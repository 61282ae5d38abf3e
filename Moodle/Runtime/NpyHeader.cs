using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.RegularExpressions;
using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>The head of a NumPy array file: magic bytes, version, and a Python dictionary of element type, order and shape. Nothing of it is believed unchecked.</summary>
/// <param name="Type">The type of its elements.</param>
/// <param name="ElementSize">Their size in bytes.</param>
/// <param name="Columns">Whether the first index runs fastest (Fortran's order).</param>
/// <param name="Shape">Its shape; empty for a single number.</param>
/// <param name="ByteCount">The length of its data.</param>
internal sealed partial record NpyHeader(ScalarType Type, int ElementSize, bool Columns, long[] Shape, long ByteCount)
{
    // NumPy's own writer stays far below; its reader refuses longer ones too.
    private const int LongestText = 10_000;
    private const string Keys = "descr, fortran_order and shape";

    private static readonly Dictionary<string, (ScalarType Type, int Size)> s_types = new(StringComparer.Ordinal)
    {
        ["<f2"] = (ScalarType.Float16, 2),
        ["<f4"] = (ScalarType.Float32, 4),
        ["<f8"] = (ScalarType.Float64, 8),
        ["|i1"] = (ScalarType.Int8, 1),
        ["<i2"] = (ScalarType.Int16, 2),
        ["<i4"] = (ScalarType.Int32, 4),
        ["<i8"] = (ScalarType.Int64, 8),
        ["|u1"] = (ScalarType.Byte, 1),
        ["|b1"] = (ScalarType.Bool, 1),
    };

    /// <summary>Reads and checks the head of an array.</summary>
    /// <param name="stream">At its first byte; afterwards at the first byte of data.</param>
    /// <param name="length">The bytes of head and data together.</param>
    /// <exception cref="InvalidDataException">What is wrong with it, without the file's name.</exception>
    public static NpyHeader Read(Stream stream, long length)
    {
        Span<byte> head = stackalloc byte[12];
        var got = stream.ReadAtLeast(head[..8], 8, throwOnEndOfStream: false);
        if (got < 8 || head[0] != 0x93 || !head[1..6].SequenceEqual("NUMPY"u8))
        {
            throw new InvalidDataException("it does not begin as a NumPy array does");
        }

        if (head[6] is < 1 or > 3 || head[7] != 0)
        {
            throw new InvalidDataException($"it has format version {head[6]}.{head[7]}; known are 1.0, 2.0 and 3.0");
        }

        var lengthSize = head[6] == 1 ? 2 : 4;
        ReadAll(stream, head[8..(8 + lengthSize)]);
        var textLength = lengthSize == 2 ? BinaryPrimitives.ReadUInt16LittleEndian(head[8..]) : BinaryPrimitives.ReadUInt32LittleEndian(head[8..]);
        if (textLength > LongestText)
        {
            throw new InvalidDataException($"its header claims {textLength} bytes, more than the {LongestText} that are allowed");
        }

        var text = new byte[textLength];
        ReadAll(stream, text);
        return Parse(Encoding.Latin1.GetString(text), length - 8 - lengthSize - textLength);
    }

    private static void ReadAll(Stream stream, Span<byte> bytes)
    {
        if (stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length)
        {
            throw new InvalidDataException("it is cut off in its header");
        }
    }

    private static NpyHeader Parse(string text, long dataLength)
    {
        var match = Dictionary().Match(text);
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; match.Success && i < match.Groups["key"].Captures.Count; i++)
        {
            values[match.Groups["key"].Captures[i].Value] = match.Groups["value"].Captures[i].Value;
        }

        if (!values.TryGetValue("descr", out var descr) || !values.TryGetValue("fortran_order", out var order) || !values.TryGetValue("shape", out var sizes)
            || order is not ("True" or "False") || !sizes.StartsWith('('))
        {
            throw new InvalidDataException(text.Contains("[(", StringComparison.Ordinal)
                ? "its rows are records of several types; expected numbers of one type"
                : $"its header is no dictionary of {Keys}");
        }

        var typeName = descr.Trim('\'');
        if (!s_types.TryGetValue(typeName, out var type))
        {
            throw new InvalidDataException(typeName.EndsWith('O')
                ? "it holds Python objects (a pickle), which are never executed; save it again with dtype float32"
                : $"it has type {typeName}; known are {string.Join(", ", s_types.Keys)}; save it again as one of them, such as with .astype('float32')");
        }

        var shape = new List<long>();
        foreach (var size in sizes.Trim('(', ')').Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            shape.Add(long.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
                ? value : throw new InvalidDataException($"its shape {sizes} is no tuple of whole numbers"));
        }

        // Products of 64-bit sizes may overflow, in torch too where a zero among them makes the array empty.
        if (shape.Aggregate(BigInteger.One, (product, size) => product * Math.Max(size, 1)) > long.MaxValue / 8)
        {
            throw new InvalidDataException($"its shape {sizes} is too large");
        }

        var bytes = shape.Aggregate((long)type.Size, (product, size) => product * size);
        return bytes == dataLength
            ? new NpyHeader(type.Type, type.Size, order == "True", [.. shape], bytes)
            : throw new InvalidDataException($"of type {typeName} and shape {sizes} it needs {bytes} bytes of data, but has {Math.Max(0, dataLength)}");
    }

    [GeneratedRegex(@"^\{\s*(?:'(?<key>[a-z_]+)'\s*:\s*(?<value>'[^']*'|True|False|\([0-9, ]*\))\s*(?:,\s*|(?=\})))*\}\s*$", RegexOptions.None, 1000)]
    private static partial Regex Dictionary();
}
