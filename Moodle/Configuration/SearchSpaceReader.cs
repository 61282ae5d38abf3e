using System.Collections.Immutable;
using System.Globalization;
using YamlDotNet.RepresentationModel;

namespace Moodle.Configuration;

/// <summary>Reads what a search draws from, as strictly as a configuration: every value that the configuration would refuse is refused here.</summary>
public static class SearchSpaceReader
{
    private const string SpaceKey = "space";
    private const string Example = "such as 'structure.rank: [100, 200]' or 'structure.n3: {from: 0.001, to: 0.1, scale: log}'";

    // What the figures are measured on and with: tries that differ in it cannot be compared.
    private static readonly string[] s_measure = ["data.", "evaluation.", "seed", "device", "threads", "training.validation_triples", "training.checkpoint_seconds"];

    /// <summary>Reads a file.</summary>
    /// <exception cref="InputException">It cannot be read, or something in it is wrong; the line and the key are named.</exception>
    public static SearchSpace Read(string path)
    {
        var root = ConfigDocument.Root(ConfigLoader.ReadText(path, "configs/spaces/atlas.yaml"), path) ?? [];
        var plan = new SearchPlan();
        var properties = ConfigProperty.Of(typeof(SearchPlan));
        ImmutableArray<SearchDimension> dimensions = [];
        foreach (var (keyNode, value) in root.Children)
        {
            var (key, place) = (NameOf(keyNode), $"{path}:{keyNode.Start.Line}");
            if (key == SpaceKey)
            {
                dimensions = Dimensions(value, path, place);
            }
            else if (properties.FirstOrDefault(property => property.Name == key) is { } property)
            {
                property.Info.SetValue(plan, ConfigReader.Value(property, key, value, place));
            }
            else
            {
                throw Unknown(place, key, [.. properties.Select(property => property.Name), SpaceKey], $"; keys of the configuration stand below '{SpaceKey}'");
            }
        }

        return dimensions.IsEmpty
            ? throw new InputException($"{path}: '{SpaceKey}' is missing; expected the keys to search below it, {Example}")
            : new SearchSpace(plan, dimensions);
    }

    private static ImmutableArray<SearchDimension> Dimensions(YamlNode node, string path, string place)
    {
        if (node is not YamlMappingNode { Children.Count: > 0 } space)
        {
            throw new InputException($"{place}: '{SpaceKey}' is {ConfigDocument.Show(node)}, expected the keys to search below it, {Example}");
        }

        var reader = new ConfigReader(new MoodleConfig(), path);
        return [.. space.Children.Select(entry => Dimension(reader, NameOf(entry.Key), entry.Value, $"{path}:{entry.Key.Start.Line}"))];
    }

    private static SearchDimension Dimension(ConfigReader reader, string key, YamlNode node, string place)
    {
        var (_, property) = reader.Find(key, place);
        if (s_measure.Any(name => name.EndsWith('.') ? key.StartsWith(name, StringComparison.Ordinal) : key == name))
        {
            throw new InputException($"{place}: '{key}' cannot be searched, since all tries must be measured alike; set it in the configuration");
        }

        return node switch
        {
            YamlSequenceNode { Children.Count: > 0 } choices => Choice(property, key, choices, place),
            YamlMappingNode range => Range(property, key, range, place),
            _ => throw new InputException($"{place}: '{key}' is {ConfigDocument.Show(node)}, expected choices as [A, B] or a range as {{from: A, to: B}}"),
        };
    }

    private static ChoiceDimension Choice(ConfigProperty property, string key, YamlSequenceNode node, string place)
    {
        var choices = node.Children.Select(choice => ConfigReader.Value(property, key, choice, place)).ToImmutableArray();
        var texts = choices.Select(ConfigValue.Format).ToArray();
        return texts.GroupBy(text => text).FirstOrDefault(group => group.Count() > 1) is { Key: var twice }
            ? throw new InputException($"{place}: '{key}' has the choice {twice} twice; remove one of the two")
            : new ChoiceDimension(key, place, choices);
    }

    private static RangeDimension Range(ConfigProperty property, string key, YamlMappingNode node, string place)
    {
        if (property.ElementType is not null || !ConfigValue.IsNumber(property.Type))
        {
            throw new InputException($"{place}: '{key}' has a range, and takes {ConfigValue.Expected(property, withRules: false)}; expected choices as [A, B]");
        }

        string[] known = ["from", "to", "scale"];
        var given = node.Children.ToDictionary(entry => NameOf(entry.Key), entry => entry.Value);
        if (given.Keys.FirstOrDefault(name => !known.Contains(name)) is { } unknown)
        {
            throw Unknown(place, $"{key}.{unknown}", [.. known.Select(name => $"{key}.{name}")], "");
        }

        var (from, to) = (Bound("from"), Bound("to"));
        var scale = given.GetValueOrDefault("scale") switch
        {
            null => "linear",
            YamlScalarNode { Value: "linear" or "log" } text => text.Value,
            var other => throw new InputException($"{place}: '{key}.scale' is {ConfigDocument.Show(other)}, expected linear or log"),
        };
        return from >= to ? throw new InputException(FormattableString.Invariant($"{place}: '{key}' goes from {from} to {to}; expected 'from' below 'to'"))
            : scale == "log" && from <= 0 ? throw new InputException(FormattableString.Invariant($"{place}: '{key}' goes from {from} by the scale log, expected 'from' above 0"))
            : new RangeDimension(key, place, from, to, scale == "log", property.Type);

        double Bound(string name) => given.GetValueOrDefault(name) is { } bound && ConfigReader.Value(property, $"{key}.{name}", bound, place) is { } value
            ? Convert.ToDouble(value, CultureInfo.InvariantCulture)
            : throw new InputException($"{place}: '{key}.{name}' is missing; expected a range as {{from: A, to: B}}, with 'scale: log' where wanted");
    }

    private static InputException Unknown(string place, string key, string[] known, string hint) => new($"{place}: unknown key '{key}'; "
        + (KeySuggestion.Nearest(key, known) is { } nearest ? $"did you mean '{nearest}'?" : $"known keys here: {string.Join(", ", known)}{hint}"));

    private static string NameOf(YamlNode key) => (key as YamlScalarNode)?.Value ?? "";
}
