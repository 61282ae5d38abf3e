using System.Text;

namespace Moodle.Configuration;

/// <summary>
/// Reads a configuration from YAML, strictly: an unknown or repeated key, a wrong type and a broken rule are errors that name the line.
/// Keys are the records' properties in snake case, found by reflection; what is not given keeps its default.
/// </summary>
public static class ConfigLoader
{
    private static readonly Lazy<IReadOnlyList<ConfigKey>> AllKeys = new(() => [.. KeysOf(new MoodleConfig())]);

    /// <summary>Reads a file and then sets single values.</summary>
    /// <param name="path">The YAML file.</param>
    /// <param name="sets">Values as <c>key=value</c>, the key being a full path such as <c>text.encoder.layers</c>; the last one of a key holds.</param>
    /// <exception cref="InputException">The file cannot be read, or something in it or in <paramref name="sets"/> is wrong.</exception>
    public static MoodleConfig Load(string path, IReadOnlyList<string> sets) => Load(path, sets, []);

    /// <summary>Reads a file, sets single values, and then those that a search has drawn.</summary>
    /// <exception cref="InputException">Something is wrong, or the values do not go together.</exception>
    public static MoodleConfig Load(string path, IReadOnlyList<string> sets, IReadOnlyList<SearchSetting> drawn) =>
        Parse<MoodleConfig>(ReadText(path, "configs/default.yaml"), path, sets, drawn);

    /// <summary>All values as YAML; <see cref="Load(string, IReadOnlyList{string})"/> gives them back exactly.</summary>
    public static string ToYaml(MoodleConfig config) => Write(config);

    /// <summary>All keys with what they take and their defaults, in the order of the records.</summary>
    public static IReadOnlyList<ConfigKey> Keys() => AllKeys.Value;

    /// <summary>Reads any record with properties like those of <see cref="MoodleConfig"/>; errors name the text as <paramref name="source"/>.</summary>
    internal static T Parse<T>(string yaml, string source, IReadOnlyList<string> sets, IReadOnlyList<SearchSetting>? drawn = null)
        where T : class, new()
    {
        var record = new T();
        var reader = new ConfigReader(record, source);
        reader.Read(yaml);
        foreach (var set in sets)
        {
            reader.Set(set);
        }

        foreach (var setting in drawn ?? [])
        {
            reader.Set(setting.Key, setting.Value, setting.Place);
        }

        reader.Check();
        return record;
    }

    /// <summary>Writes any record that <see cref="Parse"/> reads.</summary>
    internal static string Write(object record)
    {
        var text = new StringBuilder();
        WriteSection(record, 0);
        return text.ToString();

        void WriteSection(object section, int indent)
        {
            foreach (var property in ConfigProperty.Of(section.GetType()))
            {
                var value = property.Info.GetValue(section);
                text.Append(' ', indent).Append(property.Name).Append(':');
                if (property.IsSection && value is not null)
                {
                    text.Append('\n');
                    WriteSection(value, indent + 2);
                }
                else
                {
                    text.Append(' ').Append(ConfigValue.Format(value)).Append('\n');
                }
            }
        }
    }

    /// <summary>The keys of any such record; the values that it has are the defaults.</summary>
    internal static IEnumerable<ConfigKey> KeysOf(object record, string prefix = "") =>
        ConfigProperty.Of(record.GetType()).SelectMany(property => property.IsSection
            ? KeysOf(property.Info.GetValue(record) ?? Activator.CreateInstance(property.Type)!, $"{prefix}{property.Name}.")
            : [new ConfigKey(prefix + property.Name, ConfigValue.Expected(property, withRules: true), ConfigValue.Format(property.Info.GetValue(record)), property.Info)]);

    /// <summary>The text of a YAML file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="example">One that there is, for the message where this one is not.</param>
    /// <exception cref="InputException">It cannot be read.</exception>
    internal static string ReadText(string path, string example)
    {
        try
        {
            return File.ReadAllText(path, new UTF8Encoding(false, throwOnInvalidBytes: true));
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new InputException($"{path}: no such file; give the path of a YAML file, such as {example}", error);
        }
        catch (DecoderFallbackException error)
        {
            throw new InputException($"{path}: not valid UTF-8; save the file as UTF-8", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path}: cannot be read: {error.Message}", error);
        }
    }
}
