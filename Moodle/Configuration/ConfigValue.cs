using System.Collections;
using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Moodle.Configuration;

/// <summary>Values of the configuration: from YAML nodes to the properties' types, and back to text. Numbers are invariant.</summary>
internal static partial class ConfigValue
{
    /// <summary>What a property takes, in words.</summary>
    /// <param name="property">The property.</param>
    /// <param name="withRules">Whether its rules say it more closely.</param>
    public static string Expected(ConfigProperty property, bool withRules)
    {
        var words = withRules && property.Rules.Length > 0 && property.ElementType is null
            ? string.Join(" and ", property.Rules.Select(rule => rule.Expected))
            : property.ElementType is { } element ? $"a list of {(element.IsEnum ? Names(element) : Words(element) + " each")}"
            : Words(property.Type);
        words = withRules && property.Rules.Length > 0 && IsWhole(property.Type) ? words.Replace("a number", "a whole number", StringComparison.Ordinal) : words;
        return property.IsNullable ? words + ", or null" : words;
    }

    /// <summary>Turns a node into a value of the property's type; rules are not looked at.</summary>
    /// <returns>Whether the node has the right type.</returns>
    public static bool TryParse(ConfigProperty property, YamlNode node, out object? value)
    {
        value = null;
        if (property.IsNullable && node is YamlScalarNode { Style: ScalarStyle.Plain, Value: "" or "~" or "null" })
        {
            return true;
        }

        if (property.ElementType is not { } element)
        {
            return node is YamlScalarNode scalar && TryParse(property.Type, scalar, out value);
        }

        if (node is not YamlSequenceNode sequence)
        {
            return false;
        }

        var items = Array.CreateInstance(element, sequence.Children.Count);
        for (var i = 0; i < items.Length; i++)
        {
            if (sequence.Children[i] is not YamlScalarNode scalar || !TryParse(element, scalar, out var item))
            {
                return false;
            }

            items.SetValue(item, i);
        }

        value = property.Type.IsGenericType && property.Type.GetGenericTypeDefinition() == typeof(ImmutableArray<>)
            ? typeof(ImmutableArray).GetMethods()
                .Single(method => method.Name == nameof(ImmutableArray.Create) && method.GetParameters() is [{ ParameterType.IsArray: true }])
                .MakeGenericMethod(element).Invoke(null, [items])
            : items;
        return true;
    }

    /// <summary>A value as YAML; read back it gives the same value.</summary>
    public static string Format(object? value) => value switch
    {
        null => "null",
        bool flag => flag ? "true" : "false",
        Enum name => Name(name),
        string text => PlainText().IsMatch(text) && text is not "null" ? text : JsonSerializer.Serialize(text),
        IEnumerable list => $"[{string.Join(", ", list.Cast<object?>().Select(Format))}]",
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => throw new NotSupportedException($"configuration values of type {value.GetType()} are not known"),
    };

    private static bool TryParse(Type type, YamlScalarNode node, out object? value)
    {
        var text = node.Value ?? "";
        value = null;
        if (type == typeof(string))
        {
            value = node.Style == ScalarStyle.Plain && text is "" or "~" or "null" ? null : text;
            return value is not null;
        }

        if (node.Style != ScalarStyle.Plain)
        {
            return false;
        }

        var invariant = CultureInfo.InvariantCulture;
        value = type switch
        {
            _ when type == typeof(bool) => text is "true" or "false" ? text == "true" : null,
            _ when type == typeof(int) => int.TryParse(text, NumberStyles.AllowLeadingSign, invariant, out var number) ? number : null,
            _ when type == typeof(long) => long.TryParse(text, NumberStyles.AllowLeadingSign, invariant, out var number) ? number : null,
            _ when type == typeof(float) => float.TryParse(text, NumberStyles.Float, invariant, out var number) && float.IsFinite(number) ? number : null,
            _ when type == typeof(double) => double.TryParse(text, NumberStyles.Float, invariant, out var number) && double.IsFinite(number) ? number : null,
            { IsEnum: true } => Enum.GetValues(type).Cast<Enum>().FirstOrDefault(name => text == Name(name) || text == ConfigProperty.SnakeCase(name.ToString())),
            _ => throw new NotSupportedException($"configuration values of type {type} are not known"),
        };
        return value is not null;
    }

    /// <summary>Whether values of the type are whole numbers.</summary>
    public static bool IsWhole(Type type) => type == typeof(int) || type == typeof(long);

    /// <summary>Whether values of the type are numbers.</summary>
    public static bool IsNumber(Type type) => IsWhole(type) || type == typeof(float) || type == typeof(double);

    private static string Words(Type type) => type switch
    {
        _ when type == typeof(bool) => "true or false",
        _ when IsWhole(type) => "a whole number",
        _ when IsNumber(type) => "a number",
        { IsEnum: true } => "one of " + Names(type),
        _ => "a text",
    };

    // Names of methods stay one word: distmult, adamw.
    private static string Name(Enum value) => value.ToString().ToLowerInvariant();

    private static string Names(Type type) => string.Join(", ", Enum.GetValues(type).Cast<Enum>().Select(Name));

    // Text that YAML takes as it stands; everything else is quoted as in JSON, which YAML reads too.
    [GeneratedRegex(@"^[A-Za-z0-9_./\\][A-Za-z0-9_./\\+-]*(:[A-Za-z0-9_./\\+-]+)*\z")]
    private static partial Regex PlainText();
}
