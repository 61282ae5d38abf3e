using System.Collections.Immutable;
using Moodle.Configuration;
using Moodle.Runtime;

namespace Moodle.Training.Search;

/// <summary>A configuration that a search tries.</summary>
/// <param name="Number">Its number; 0 is the configuration that the search started from.</param>
/// <param name="Settings">What was drawn for it, empty for number 0.</param>
/// <param name="Config">All of it, with its own epochs.</param>
public sealed record SearchTry(int Number, ImmutableArray<SearchSetting> Settings, MoodleConfig Config)
{
    /// <summary>What some keys are, as YAML.</summary>
    public ImmutableArray<string> Values(IEnumerable<string> keys)
    {
        var all = ConfigLoader.KeysOf(Config).ToDictionary(key => key.Path, key => key.Default);
        return [.. keys.Select(key => all[key])];
    }

    /// <summary>The tries of a search: what a number draws depends on the seed and the number alone.</summary>
    /// <param name="space">What to draw from, and how often.</param>
    /// <param name="configFile">The configuration that all else is taken from.</param>
    /// <param name="sets">Values of it given as <c>key=value</c>.</param>
    /// <exception cref="InputException">The configuration is wrong, or refuses a draw.</exception>
    public static ImmutableArray<SearchTry> Draw(SearchSpace space, string configFile, IReadOnlyList<string> sets)
    {
        ArgumentNullException.ThrowIfNull(space);
        var start = ConfigLoader.Load(configFile, sets).WithFullPaths(configFile);
        return [new SearchTry(0, [], start), .. Enumerable.Range(1, space.Plan.Tries).Select(Drawn)];

        SearchTry Drawn(int number)
        {
            var settings = space.Draw(SplitMix64.ForStream((ulong)start.Seed, (ulong)number).NextDouble);
            try
            {
                return new SearchTry(number, settings, ConfigLoader.Load(configFile, sets, settings).WithFullPaths(configFile));
            }
            catch (InputException exception)
            {
                var drawn = string.Join(", ", settings.Select(setting => $"{setting.Key}={setting.Text}"));
                throw new InputException($"{exception.Message} (drawn for try {number}: {drawn}; leave out of the space what does not go together)", exception);
            }
        }
    }
}
