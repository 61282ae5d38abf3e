namespace Moodle.Configuration;

/// <summary>A rule that one value of the configuration must keep.</summary>
[AttributeUsage(AttributeTargets.Property)]
public abstract class ConfigRuleAttribute : Attribute
{
    /// <summary>What is expected, for the error message: "a number of at least 1".</summary>
    public abstract string Expected { get; }

    /// <summary>Whether the value keeps the rule.</summary>
    public abstract bool Allows(object? value);
}

/// <summary>A number that is not below a bound.</summary>
public sealed class AtLeastAttribute(double minimum) : ConfigRuleAttribute
{
    /// <summary>The bound.</summary>
    public double Minimum { get; } = minimum;

    /// <inheritdoc/>
    public override string Expected => FormattableString.Invariant($"a number of at least {Minimum}");

    /// <inheritdoc/>
    public override bool Allows(object? value) => Convert.ToDouble(value, System.Globalization.CultureInfo.InvariantCulture) >= Minimum;
}

/// <summary>A number above a bound.</summary>
public sealed class MoreThanAttribute(double bound) : ConfigRuleAttribute
{
    /// <summary>The bound.</summary>
    public double Bound { get; } = bound;

    /// <inheritdoc/>
    public override string Expected => FormattableString.Invariant($"a number above {Bound}");

    /// <inheritdoc/>
    public override bool Allows(object? value) => Convert.ToDouble(value, System.Globalization.CultureInfo.InvariantCulture) > Bound;
}

/// <summary>A number between two bounds, both included.</summary>
public sealed class BetweenAttribute(double minimum, double maximum) : ConfigRuleAttribute
{
    /// <summary>The lower bound.</summary>
    public double Minimum { get; } = minimum;

    /// <summary>The upper bound.</summary>
    public double Maximum { get; } = maximum;

    /// <inheritdoc/>
    public override string Expected => FormattableString.Invariant($"a number from {Minimum} to {Maximum}");

    /// <inheritdoc/>
    public override bool Allows(object? value)
    {
        var number = Convert.ToDouble(value, System.Globalization.CultureInfo.InvariantCulture);
        return number >= Minimum && number <= Maximum;
    }
}

/// <summary>A text that matches a pattern.</summary>
public sealed class OneOfPatternAttribute(string pattern, string expected) : ConfigRuleAttribute
{
    /// <summary>The regular expression.</summary>
    public string Pattern { get; } = pattern;

    /// <inheritdoc/>
    public override string Expected { get; } = expected;

    /// <inheritdoc/>
    public override bool Allows(object? value) =>
        System.Text.RegularExpressions.Regex.IsMatch((string?)value ?? "", Pattern, System.Text.RegularExpressions.RegexOptions.CultureInvariant);
}

/// <summary>A list with at least one element, none twice.</summary>
public sealed class NotEmptyAttribute : ConfigRuleAttribute
{
    /// <inheritdoc/>
    public override string Expected => "a list of at least one, none twice";

    /// <inheritdoc/>
    public override bool Allows(object? value)
    {
        var items = ((System.Collections.IEnumerable)value!).Cast<object>().ToList();
        return items.Count > 0 && items.Distinct().Count() == items.Count;
    }
}
