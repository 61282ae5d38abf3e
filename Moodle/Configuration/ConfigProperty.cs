using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Reflection;
using System.Text;

namespace Moodle.Configuration;

/// <summary>A property of a configuration record as YAML sees it: a section with keys of its own, or a value.</summary>
internal sealed class ConfigProperty
{
    private static readonly ConcurrentDictionary<Type, ImmutableArray<ConfigProperty>> Known = new();

    private ConfigProperty(PropertyInfo info)
    {
        Info = info;
        Name = SnakeCase(info.Name);
        Type = Nullable.GetUnderlyingType(info.PropertyType) ?? info.PropertyType;
        ElementType = ListElement(Type);
        IsSection = Type.IsClass && Type != typeof(string) && ElementType is null;
        IsNullable = Type != info.PropertyType
            || (!Type.IsValueType && new NullabilityInfoContext().Create(info).WriteState == NullabilityState.Nullable);
        Rules = [.. Attribute.GetCustomAttributes(info, typeof(ConfigRuleAttribute), inherit: true).Cast<ConfigRuleAttribute>()];
    }

    /// <summary>The property.</summary>
    public PropertyInfo Info { get; }

    /// <summary>Its key in YAML.</summary>
    public string Name { get; }

    /// <summary>Its type, without <c>?</c>.</summary>
    public Type Type { get; }

    /// <summary>The type of the elements where it is a list.</summary>
    public Type? ElementType { get; }

    /// <summary>Whether it has keys of its own.</summary>
    public bool IsSection { get; }

    /// <summary>Whether <c>null</c> is a value of it.</summary>
    public bool IsNullable { get; }

    /// <summary>Rules that its values keep.</summary>
    public ImmutableArray<ConfigRuleAttribute> Rules { get; }

    /// <summary>The properties of a record that can be set, inherited ones first, in the order in which they are declared.</summary>
    public static ImmutableArray<ConfigProperty> Of(Type record) => Known.GetOrAdd(record, static record =>
    {
        var properties = new List<PropertyInfo>();
        for (var type = record; type is not null && type != typeof(object); type = type.BaseType)
        {
            // A property that hides an inherited one stands for both.
            var declared = type.GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
                .Where(info => info.SetMethod is { IsPublic: true } && info.GetIndexParameters().Length == 0
                    && properties.TrueForAll(other => other.Name != info.Name))
                .OrderBy(info => info.MetadataToken);
            properties.InsertRange(0, declared);
        }

        return [.. properties.Select(info => new ConfigProperty(info))];
    });

    /// <summary><c>MaxTokens</c> becomes <c>max_tokens</c>; <c>N3</c> stays <c>n3</c>.</summary>
    public static string SnakeCase(string name)
    {
        var text = new StringBuilder();
        for (var i = 0; i < name.Length; i++)
        {
            var startsWord = char.IsUpper(name[i]) && i > 0
                && (!char.IsUpper(name[i - 1]) || (i + 1 < name.Length && char.IsLower(name[i + 1])));
            text.Append(startsWord ? "_" : "").Append(char.ToLowerInvariant(name[i]));
        }

        return text.ToString();
    }

    private static Type? ListElement(Type type) =>
        type.IsArray ? type.GetElementType()
        : type.IsGenericType && type != typeof(string) && type.IsAssignableTo(typeof(System.Collections.IEnumerable)) ? type.GetGenericArguments()[0]
        : null;
}
