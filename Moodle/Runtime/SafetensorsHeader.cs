using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using System.Text.Json;
using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>Where a tensor lies in a safetensors file.</summary>
/// <param name="Type">The type of its elements.</param>
/// <param name="Shape">Its shape; empty for a single number.</param>
/// <param name="Offset">Its first byte, counted from the start of the file.</param>
/// <param name="ByteCount">Its length.</param>
internal sealed record SafetensorsEntry(ScalarType Type, long[] Shape, long Offset, long ByteCount);

/// <summary>
/// The head of a safetensors file: 8 bytes of length, a JSON object from names to type, shape and offsets, and text under
/// <c>__metadata__</c>. Nothing of it is believed unchecked.
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The longest JSON that the format's own library accepts.</summary>
    public const long LongestJson = 100_000_000;

    private const string MetadataName = "__metadata__";

    private static readonly (string Name, ScalarType Type, int Size)[] s_types =
    [
        ("F32", ScalarType.Float32, 4), ("F64", ScalarType.Float64, 8), ("F16", ScalarType.Float16, 2), ("BF16", ScalarType.BFloat16, 2),
        ("I64", ScalarType.Int64, 8), ("I32", ScalarType.Int32, 4), ("U8", ScalarType.Byte, 1), ("BOOL", ScalarType.Bool, 1),
    ];

    private readonly Dictionary<string, SafetensorsEntry> _entries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _metadata = new(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, SafetensorsEntry> Entries => _entries;

    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <summary>The name of a type in the file.</summary>
    /// <exception cref="ArgumentException">The format, or this program, has no such type.</exception>
    public static string NameOf(ScalarType type) => s_types.FirstOrDefault(known => known.Type == type).Name
        ?? throw new ArgumentException($"safetensors: tensors of type {type} cannot be written", nameof(type));

    /// <summary>Reads and checks the head of a file.</summary>
    /// <exception cref="InvalidDataException">What is wrong with it, without the file's name.</exception>
    public static SafetensorsHeader Read(Stream file)
    {
        Span<byte> lengthBytes = stackalloc byte[8];
        if (file.Length < 8)
        {
            throw new InvalidDataException($"it has {file.Length} bytes, which is less than the 8 of the header's length");
        }
        file.ReadExactly(lengthBytes);
        var length = BinaryPrimitives.ReadUInt64LittleEndian(lengthBytes);
        if (length > LongestJson)
        {
            throw new InvalidDataException($"its header claims {length} bytes, more than the {LongestJson} that are allowed");
        }
        if ((long)length > file.Length - 8)
        {
            throw new InvalidDataException($"its header claims {length} bytes, but {file.Length - 8} follow: the file is cut off");
        }
        var json = new byte[length];
        file.ReadExactly(json);

        var header = new SafetensorsHeader();
        try
        {
            header.Parse(json, 8 + (long)length, file.Length);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or DecoderFallbackException)
        {
            throw new InvalidDataException($"its header is no valid JSON ({e.Message.ReplaceLineEndings(" ").TrimEnd('.')})", e);
        }
        header.CheckOverlaps(8 + (long)length, file.Length);
        return header;
    }

    private void Parse(byte[] json, long dataStart, long fileLength)
    {
        var options = new JsonDocumentOptions { MaxDepth = 8, AllowDuplicateProperties = false };
        using var document = JsonDocument.Parse(json, options);
        if (document.RootElement.ValueKind != JsonValueKind.Object)
        {
            throw new InvalidDataException("its header is no JSON object");
        }
        foreach (var property in document.RootElement.EnumerateObject())
        {
            if (property.Name == MetadataName)
            {
                foreach (var text in property.Value.EnumerateObject())
                {
                    _metadata[text.Name] = text.Value.GetString() ?? throw new InvalidDataException($"its metadata \"{text.Name}\" is no text");
                }
            }
            else
            {
                _entries.Add(property.Name, ParseEntry(property.Name, property.Value, dataStart, fileLength));
            }
        }
    }

    private static SafetensorsEntry ParseEntry(string name, JsonElement entry, long dataStart, long fileLength)
    {
        if (entry.ValueKind != JsonValueKind.Object
            || !entry.TryGetProperty("dtype", out var dtype) || dtype.ValueKind != JsonValueKind.String
            || !entry.TryGetProperty("shape", out var shapes) || shapes.ValueKind != JsonValueKind.Array
            || !entry.TryGetProperty("data_offsets", out var offsets) || offsets.ValueKind != JsonValueKind.Array
            || offsets.GetArrayLength() != 2)
        {
            throw new InvalidDataException($"tensor \"{name}\" lacks dtype, shape or data_offsets");
        }
        var typeName = dtype.GetString();
        var type = Array.Find(s_types, known => known.Name == typeName);
        if (type.Name is null)
        {
            throw new InvalidDataException(
                $"tensor \"{name}\" has type {typeName}; known are {string.Join(", ", s_types.Select(known => known.Name))}");
        }
        var shape = shapes.EnumerateArray().Select(size => Whole(name, size)).ToArray();
        var (begin, end) = (Whole(name, offsets[0]), Whole(name, offsets[1]));
        if (begin > end || end > fileLength - dataStart)
        {
            throw new InvalidDataException(
                $"tensor \"{name}\" lies at {begin} to {end} of {fileLength - dataStart} bytes of data: the file is cut off or damaged");
        }
        // Products of 64-bit sizes may overflow, in torch too where a zero among them makes the tensor empty.
        if (shape.Aggregate(BigInteger.One, (product, size) => product * Math.Max(size, 1)) > long.MaxValue / 8)
        {
            throw new InvalidDataException($"tensor \"{name}\" has shape [{string.Join(", ", shape)}], which is too large");
        }
        var expected = shape.Aggregate((BigInteger)type.Size, (product, size) => product * size);
        if (expected != end - begin)
        {
            throw new InvalidDataException(
                $"tensor \"{name}\" of type {type.Name} and shape [{string.Join(", ", shape)}] has {end - begin} bytes instead of {expected}");
        }
        return new SafetensorsEntry(type.Type, shape, dataStart + begin, end - begin);
    }

    private static long Whole(string name, JsonElement number) =>
        number.ValueKind == JsonValueKind.Number && number.TryGetInt64(out var value) && value >= 0
            ? value
            : throw new InvalidDataException($"tensor \"{name}\" has a size or offset that is no whole number from 0");

    private void CheckOverlaps(long dataStart, long fileLength)
    {
        // The format asks for tensors side by side without gaps, from the first byte of data to the last.
        var end = dataStart;
        foreach (var (name, entry) in _entries.OrderBy(pair => pair.Value.Offset).ThenBy(pair => pair.Value.ByteCount))
        {
            if (entry.Offset != end)
            {
                throw new InvalidDataException(
                    entry.Offset < end ? $"tensor \"{name}\" overlaps another" : $"{entry.Offset - end} bytes before tensor \"{name}\" belong to none");
            }
            end += entry.ByteCount;
        }
        if (end != fileLength)
        {
            throw new InvalidDataException($"{fileLength - end} bytes at its end belong to no tensor");
        }
    }

    /// <summary>Builds the head of a new file: the 8 bytes of length, the JSON and spaces up to a multiple of 8.</summary>
    /// <param name="tensors">Names, types, shapes and lengths in bytes, in file order.</param>
    /// <param name="metadata">Text to keep with them.</param>
    public static byte[] Build(
        IEnumerable<(string Name, ScalarType Type, long[] Shape, long ByteCount)> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        using var buffer = new MemoryStream();
        buffer.Write(new byte[8]);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            if (metadata.Count > 0)
            {
                json.WriteStartObject(MetadataName);
                foreach (var (key, text) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                {
                    json.WriteString(key, text);
                }
                json.WriteEndObject();
            }
            var offset = 0L;
            foreach (var (name, type, shape, byteCount) in tensors)
            {
                if (name == MetadataName)
                {
                    throw new ArgumentException($"no tensor can be named {MetadataName}", nameof(tensors));
                }
                json.WriteStartObject(name);
                json.WriteString("dtype", NameOf(type));
                WriteNumbers(json, "shape", shape);
                WriteNumbers(json, "data_offsets", [offset, offset += byteCount]);
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        while (buffer.Length % 8 != 0)
        {
            buffer.WriteByte((byte)' ');
        }
        var head = buffer.ToArray();
        BinaryPrimitives.WriteInt64LittleEndian(head, head.Length - 8);
        return head;
    }

    private static void WriteNumbers(Utf8JsonWriter json, string name, ReadOnlySpan<long> numbers)
    {
        json.WriteStartArray(name);
        foreach (var number in numbers)
        {
            json.WriteNumberValue(number);
        }
        json.WriteEndArray();
    }
}
