using System.Collections.Immutable;
using System.Globalization;

namespace Moodle.Configuration;

/// <summary>A key of the configuration that a search varies, and what it may be.</summary>
/// <param name="Key">The key's full path.</param>
/// <param name="Place">Where it stands, for messages: <c>file:line</c>.</param>
public abstract record SearchDimension(string Key, string Place)
{
    /// <summary>The value at a place between 0 (included) and 1 (not included); places that are equally likely give values as the space asks for.</summary>
    public abstract object? At(double place);

    /// <summary>What it may be, as YAML.</summary>
    public abstract string Values { get; }
}

/// <summary>One of several values, all equally likely.</summary>
/// <param name="Key">The key's full path.</param>
/// <param name="Place">Where it stands.</param>
/// <param name="Choices">The values.</param>
internal sealed record ChoiceDimension(string Key, string Place, ImmutableArray<object?> Choices) : SearchDimension(Key, Place)
{
    /// <inheritdoc/>
    public override object? At(double place) => Choices[(int)(place * Choices.Length)];

    /// <inheritdoc/>
    public override string Values => ConfigValue.Format(Choices);
}

/// <summary>A number between two others, both included; by the logarithmic scale as likely from 0.01 to 0.1 as from 0.1 to 1.</summary>
/// <param name="Key">The key's full path.</param>
/// <param name="Place">Where it stands.</param>
/// <param name="From">The least.</param>
/// <param name="To">The most.</param>
/// <param name="Logarithmic">The scale.</param>
/// <param name="Type">The type of the key's values.</param>
internal sealed record RangeDimension(string Key, string Place, double From, double To, bool Logarithmic, Type Type) : SearchDimension(Key, Place)
{
    // Of a value and of the range's width: what is shown is what is trained, and can be read.
    private const int Digits = 4;

    /// <inheritdoc/>
    public override object? At(double place)
    {
        // Each whole number has a part of the range for itself, the last one too.
        var whole = ConfigValue.IsWhole(Type);
        var end = whole ? To + 1 : To;
        var value = Logarithmic ? From * Math.Pow(end / From, place) : From + (place * (end - From));
        return Convert.ChangeType(Math.Clamp(whole ? Math.Floor(value) : Rounded(value), From, To), Type, CultureInfo.InvariantCulture);
    }

    /// <inheritdoc/>
    public override string Values => FormattableString.Invariant($"{{from: {From}, to: {To}, scale: {(Logarithmic ? "log" : "linear")}}}");

    private double Rounded(double value)
    {
        var size = value == 0 ? To - From : Math.Min(Math.Abs(value), To - From);
        return Math.Round(value, Math.Clamp(Digits - 1 - (int)Math.Floor(Math.Log10(size)), 0, 15));
    }
}

/// <summary>A value that a search has drawn for a key.</summary>
/// <param name="Key">The key's full path.</param>
/// <param name="Value">The value, of the property's type.</param>
/// <param name="Place">Where the key stands in the space.</param>
public sealed record SearchSetting(string Key, object? Value, string Place)
{
    /// <summary>The value as YAML.</summary>
    public string Text => ConfigValue.Format(Value);
}
