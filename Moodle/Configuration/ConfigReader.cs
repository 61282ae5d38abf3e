using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Moodle.Configuration;

/// <summary>Fills a record from YAML and from the command line, remembering where each value came from.</summary>
/// <param name="root">The record with its defaults; its properties are set.</param>
/// <param name="source">What errors call the YAML: its path.</param>
internal sealed class ConfigReader(object root, string source)
{
    private readonly Dictionary<string, string> _places = [];

    /// <summary>Sets what a document gives.</summary>
    public void Read(string yaml)
    {
        if (ConfigDocument.Root(yaml, source) is { } document)
        {
            Fill(root, document, "");
        }
    }

    /// <summary>Sets one value given as <c>key=value</c>.</summary>
    public void Set(string set)
    {
        var equals = set.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0)
        {
            throw new InputException($"--set {set}: expected key=value, such as seed=2");
        }

        var key = set[..equals].Trim();
        var place = $"--set {key}";
        var (record, property) = Find(key, place);
        _places[key] = place;
        property.Info.SetValue(record, Value(property, key, ConfigDocument.Value(set[(equals + 1)..].Trim(), property.ElementType is not null), place));
    }

    /// <summary>Sets a value that <see cref="Value"/> has read.</summary>
    public void Set(string key, object? value, string place)
    {
        var (record, property) = Find(key, place);
        _places[key] = place;
        property.Info.SetValue(record, value);
    }

    /// <summary>The property of a full path, and the record that has it.</summary>
    /// <exception cref="InputException">The key is unknown, or a section.</exception>
    public (object Record, ConfigProperty Property) Find(string key, string place)
    {
        var record = root;
        var names = key.Split('.');
        for (var i = 0; i < names.Length; i++)
        {
            var property = ConfigProperty.Of(record.GetType()).FirstOrDefault(property => property.Name == names[i]);
            if (property is null || (i + 1 < names.Length && !property.IsSection))
            {
                throw Unknown(key, record, string.Concat(names.Take(i).Select(name => name + ".")), place);
            }

            if (!property.IsSection)
            {
                return (record, property);
            }

            record = Section(record, property);
        }

        throw new InputException($"{place}: '{key}' is a section; set one of its keys, such as '{key}.{ConfigProperty.Of(record.GetType())[0].Name}'");
    }

    /// <summary>Checks the relations between values.</summary>
    public void Check()
    {
        foreach (var (key, problem) in Problems(root, ""))
        {
            throw new InputException($"{_places.GetValueOrDefault(key, source)}: '{key}' {problem}");
        }
    }

    private void Fill(object record, YamlMappingNode node, string prefix)
    {
        foreach (var (keyNode, value) in node.Children)
        {
            var name = (keyNode as YamlScalarNode)?.Value ?? "";
            var key = prefix + name;
            var place = $"{source}:{keyNode.Start.Line}";
            var property = ConfigProperty.Of(record.GetType()).FirstOrDefault(property => property.Name == name)
                ?? throw Unknown(key, record, prefix, place);
            _places[key] = place;
            if (!property.IsSection)
            {
                property.Info.SetValue(record, Value(property, key, value, place));
            }
            else if (value is YamlMappingNode section)
            {
                Fill(Section(record, property), section, key + ".");
            }
            else if (value is not YamlScalarNode { Style: ScalarStyle.Plain, Value: "" })
            {
                throw new InputException($"{place}: '{key}' is a section, expected keys such as '{key}.{ConfigProperty.Of(property.Type)[0].Name}' below it");
            }
        }
    }

    private static object Section(object record, ConfigProperty property)
    {
        var section = property.Info.GetValue(record);
        if (section is null)
        {
            section = Activator.CreateInstance(property.Type)!;
            property.Info.SetValue(record, section);
        }

        return section;
    }

    /// <summary>A property's value as a node gives it.</summary>
    /// <exception cref="InputException">It has another type, or breaks a rule.</exception>
    public static object? Value(ConfigProperty property, string key, YamlNode node, string place)
    {
        if (!ConfigValue.TryParse(property, node, out var value))
        {
            throw new InputException($"{place}: '{key}' is {ConfigDocument.Show(node)}, expected {ConfigValue.Expected(property, withRules: false)}");
        }

        if (value is not null && property.Rules.FirstOrDefault(rule => !rule.Allows(value)) is { } broken)
        {
            throw new InputException($"{place}: '{key}' is {ConfigDocument.Show(node)}, expected {broken.Expected}");
        }

        return value;
    }

    private InputException Unknown(string key, object record, string prefix, string place)
    {
        var siblings = ConfigProperty.Of(record.GetType()).Select(property => prefix + property.Name).ToList();
        var nearest = KeySuggestion.Nearest(key, siblings.Concat(ConfigLoader.KeysOf(root).Select(known => known.Path)));
        return new InputException($"{place}: unknown key '{key}'; "
            + (nearest is null ? $"known keys here: {string.Join(", ", siblings)}" : $"did you mean '{nearest}'?"));
    }

    private static IEnumerable<(string Key, string Problem)> Problems(object record, string prefix)
    {
        var own = record is IChecked check ? check.Check().Select(problem => (prefix + problem.Key, problem.Problem)) : [];
        return own.Concat(ConfigProperty.Of(record.GetType())
            .Where(property => property.IsSection)
            .SelectMany(property => property.Info.GetValue(record) is { } section ? Problems(section, $"{prefix}{property.Name}.") : []));
    }
}
