using System.Collections.Immutable;

namespace Moodle.Configuration;

/// <summary>What a search draws from. <see cref="SearchSpaceReader"/> reads it.</summary>
/// <param name="Plan">How many configurations, and how they are thinned out.</param>
/// <param name="Dimensions">The keys that vary, in the order of the file.</param>
public sealed record SearchSpace(SearchPlan Plan, ImmutableArray<SearchDimension> Dimensions)
{
    /// <summary>A draw of every key.</summary>
    /// <param name="random">Gives numbers in [0, 1); asked once for each key, in the order of their names, so that the order of the file does not matter.</param>
    public ImmutableArray<SearchSetting> Draw(Func<double> random)
    {
        ArgumentNullException.ThrowIfNull(random);
        var places = Dimensions.OrderBy(dimension => dimension.Key, StringComparer.Ordinal).ToDictionary(dimension => dimension.Key, _ => random());
        return [.. Dimensions.Select(dimension => new SearchSetting(dimension.Key, dimension.At(places[dimension.Key]), dimension.Place))];
    }

    /// <summary>All of it as YAML; <see cref="SearchSpaceReader.Read"/> gives it back.</summary>
    public string ToYaml() => $"{ConfigLoader.Write(Plan)}space:\n{string.Concat(Dimensions.Select(dimension => $"  {dimension.Key}: {dimension.Values}\n"))}";

    /// <summary>What differs in a search of another space, in words; null where nothing does but the number of tries, which may.</summary>
    public string? DifferenceTo(SearchSpace other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (Plan with { Tries = other.Plan.Tries } is var plan && plan != other.Plan)
        {
            return plan.Keep != other.Plan.Keep ? $"'keep' was {Plan.Keep} and is {other.Plan.Keep}" : $"'rungs' was {Plan.Rungs} and is {other.Plan.Rungs}";
        }

        var (before, now) = (ValuesOf(this), ValuesOf(other));
        return before.Keys.Concat(now.Keys).FirstOrDefault(key => before.GetValueOrDefault(key) != now.GetValueOrDefault(key)) is { } key
            ? $"the space of '{key}' was {before.GetValueOrDefault(key) ?? "not there"} and is {now.GetValueOrDefault(key) ?? "gone"}"
            : null;

        static Dictionary<string, string> ValuesOf(SearchSpace space) => space.Dimensions.ToDictionary(dimension => dimension.Key, dimension => dimension.Values);
    }
}
