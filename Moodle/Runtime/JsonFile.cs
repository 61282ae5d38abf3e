using System.Globalization;
using System.Text.Json;

namespace Moodle.Runtime;

/// <summary>An object of a JSON file that somebody else wrote. Whatever is asked of it and is not so becomes one line that names file and key.</summary>
public sealed class JsonFile
{
    // The largest real ones, tokenizers of 250,000 pieces, have 17 MB.
    private const long Longest = 1L << 28;
    private readonly JsonElement _value;
    private readonly string _place;

    private JsonFile(string path, string place, JsonElement value) => (Path, _place, _value) = (path, place, value);

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The names in the object.</summary>
    public IEnumerable<string> Names => _value.EnumerateObject().Select(property => property.Name);

    /// <summary>Reads a file whose outermost value is an object.</summary>
    /// <exception cref="InputException">It cannot be read or is no JSON object.</exception>
    public static JsonFile Read(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            if (file.Length > Longest)
            {
                throw new InputException($"{path}: has {file.Length} bytes, more than the {Longest} that are read of a JSON file");
            }

            using var document = JsonDocument.Parse(file, new JsonDocumentOptions { AllowDuplicateProperties = false });
            var value = document.RootElement.Clone();
            CheckTexts(value);
            return value.ValueKind == JsonValueKind.Object ? new JsonFile(path, "", value) : throw new InputException($"{path}: is no JSON object; expected {{ ... }}");
        }
        // Text that is no UTF-8 shows itself as an invalid operation.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InputException($"{path}: is no valid JSON ({e.Message.ReplaceLineEndings(" ").TrimEnd('.')}); fetch it again", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path}: cannot be read: {e.Message.ReplaceLineEndings(" ").TrimEnd('.')}", e);
        }
    }

    /// <summary>Whether a name stands there with a value other than null.</summary>
    public bool Has(string name) => Find(name) is not null;

    /// <summary>An object in the object; null where it is missing.</summary>
    public JsonFile? Part(string name) => Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Object ? new JsonFile(Path, $"{_place}{name}.", value) : throw Wrong(name, value, "an object");

    /// <summary>A whole number.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="least">The least that makes sense.</param>
    /// <param name="most">The most that makes sense.</param>
    /// <param name="fallback">What it is where it is missing; without one it must be there.</param>
    public int Whole(string name, int least, int most, int? fallback = null) => Find(name) is not { } value ? fallback ?? throw Missing(name)
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= least && number <= most ? number
        : throw Wrong(name, value, $"a whole number from {least} to {most}");

    /// <summary>A number above zero.</summary>
    /// <inheritdoc cref="Whole"/>
    public double Positive(string name, double? fallback = null) => Find(name) is not { } value ? fallback ?? throw Missing(name)
        : value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number > 0 && double.IsFinite(number) ? number
        : throw Wrong(name, value, "a number above 0");

    /// <summary>True or false.</summary>
    /// <inheritdoc cref="Whole"/>
    public bool Flag(string name, bool fallback) => Find(name) is not { } value ? fallback
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(name, value, "true or false");

    /// <summary>A text; null where it is missing.</summary>
    public string? Text(string name) => Find(name) is not { } value ? null : TextOf(value) ?? throw Wrong(name, value, "a text");

    /// <summary>A text that must be one of some.</summary>
    public string OneOf(string name, string? fallback, params string[] known)
    {
        var text = Text(name) ?? fallback ?? throw Missing(name);
        return known.Contains(text) ? text : throw new InputException($"{Path}: '{_place}{name}' is {text}; known are {string.Join(", ", known)}");
    }

    /// <summary>Numbers; null where they are missing.</summary>
    public double[]? Numbers(string name, int count) => Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == count && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.Number && double.IsFinite(item.GetDouble()))
            ? [.. value.EnumerateArray().Select(item => item.GetDouble())] : throw Wrong(name, value, string.Create(CultureInfo.InvariantCulture, $"a list of {count} numbers"));

    /// <summary>Whole numbers; null where they are missing.</summary>
    public int[]? Wholes(string name, int least, int most) => Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out var number) && number >= least && number <= most)
            ? [.. value.EnumerateArray().Select(item => item.GetInt32())] : throw Wrong(name, value, $"a list of whole numbers from {least} to {most}");

    /// <summary>A list of objects; empty where it is missing.</summary>
    public IEnumerable<JsonFile> Parts(string name)
    {
        var items = Items(name);
        return items.Select((item, i) => item.ValueKind == JsonValueKind.Object ? new JsonFile(Path, $"{_place}{name}[{i}].", item) : throw Wrong($"{name}[{i}]", item, "an object"));
    }

    /// <summary>A list of which each item is a text, or a list of texts that are joined by a space; empty where it is missing.</summary>
    public IEnumerable<string> Texts(string name) => Items(name).Select((item, i) =>
        (item.ValueKind == JsonValueKind.Array && item.EnumerateArray().All(part => TextOf(part) is not null) ? string.Join(' ', item.EnumerateArray().Select(TextOf)) : TextOf(item))
            ?? throw Wrong($"{name}[{i}]", item, "a text"));

    /// <summary>What kind of value a name has, to choose between forms that writers use.</summary>
    public JsonValueKind KindOf(string name) => Find(name)?.ValueKind ?? JsonValueKind.Undefined;

    /// <summary>An error about a name, with the remedy.</summary>
    public InputException Problem(string name, string problem) => new($"{Path}: '{_place}{name}' {problem}");

    private JsonElement[] Items(string name) => Find(name) is not { } value ? []
        : value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : throw Wrong(name, value, "a list");

    private JsonElement? Find(string name) => _value.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private static string? TextOf(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    // Bytes that are no UTF-8, and half a surrogate pair, pass for JSON until somebody asks for the text.
    private static void CheckTexts(JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                _ = value.GetString();
                break;
            case JsonValueKind.Array:
                foreach (var item in value.EnumerateArray())
                {
                    CheckTexts(item);
                }

                break;
            case JsonValueKind.Object:
                foreach (var property in value.EnumerateObject())
                {
                    _ = property.Name;
                    CheckTexts(property.Value);
                }

                break;
        }
    }

    private InputException Missing(string name) => new($"{Path}: '{_place}{name}' is missing");

    private InputException Wrong(string name, JsonElement value, string expected)
    {
        var shown = value.GetRawText().ReplaceLineEndings(" ");
        return new($"{Path}: '{_place}{name}' is {(shown.Length > 40 ? shown[..40] + "..." : shown)}, expected {expected}");
    }
}
