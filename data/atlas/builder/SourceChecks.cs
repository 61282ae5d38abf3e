using System.Text.RegularExpressions;

namespace Atlas;

/// <summary>What must hold between the tables, beyond what reading them checks.</summary>
internal static partial class SourceChecks
{
    /// <summary>Runs all checks.</summary>
    public static void Run(AtlasSource source, ProblemList problems)
    {
        CheckCountries(source, problems);
        CheckCapitals(source, problems);
        CheckBorders(source, problems);
        CheckNames(source, problems);
        CheckCycles(source, "subfamily_of", problems);
        CheckCycles(source, "part_of_sea", problems);
        CheckCycles(source, "flows_into", problems);
        CheckUse(source, problems);
        CheckDescriptions(source, problems);
    }

    private static void CheckCountries(AtlasSource source, ProblemList problems)
    {
        foreach (var code in Schema.CountryCodes.Where(code => !source.Entities.ContainsKey("country-" + code)))
        {
            problems.Error("countries-*.csv", 1, $"country {code} is missing");
        }

        foreach (var country in source.Entities.Values.Where(entity => entity.Kind == "country"))
        {
            if (!Schema.CountryCodes.Contains(country.Row["code"]))
            {
                problems.Error(country.Row, $"{country.Row["code"]} is none of the 195 countries");
            }
        }
    }

    private static void CheckCapitals(AtlasSource source, ProblemList problems)
    {
        foreach (var city in source.Entities.Values.Where(entity => entity.Kind == "city"))
        {
            var row = city.Row;
            var isCapital = row["capital"] == "yes";
            if (row["capital"] is not ("yes" or "no"))
            {
                problems.Error(row, $"{city.Id}: capital is '{row["capital"]}', expected yes or no");
            }
            else if (source.Entities.TryGetValue("country-" + row["country"], out var country)
                && isCapital != country.Row.List("capitals").Contains(city.Id))
            {
                problems.Error(row, isCapital
                    ? $"{city.Id} is a capital, but {country.Row.File}:{country.Row.Line} does not name it among the capitals of {country.Id}"
                    : $"{city.Id} is no capital, but {country.Row.File}:{country.Row.Line} names it as one");
            }
        }

        foreach (var fact in source.Facts.Where(fact => fact.Relation == "capital_of"))
        {
            var code = source.Entities[fact.Head].Row["country"];
            if ("country-" + code != fact.Tail)
            {
                problems.Error(fact.Row, $"{fact.Tail}: the capital {fact.Head} lies in country-{code} by the table of cities");
            }
        }
    }

    private static void CheckBorders(AtlasSource source, ProblemList problems)
    {
        var borders = source.Facts.Where(fact => fact.Relation == "borders").ToList();
        var known = borders.Select(fact => (fact.Head, fact.Tail)).ToHashSet();
        foreach (var fact in borders.Where(fact => !known.Contains((fact.Tail, fact.Head))))
        {
            var other = source.Entities[fact.Tail].Row;
            problems.Error(fact.Row, $"{fact.Head} borders {fact.Tail}, but {other.File}:{other.Line} does not say so");
        }
    }

    private static void CheckNames(AtlasSource source, ProblemList problems)
    {
        foreach (var entity in source.Entities.Values.Where(entity => entity.Name.Length == 0 || entity.Name.Any(char.IsControl)))
        {
            problems.Error(entity.Row, $"{entity.Id}: the name is empty or holds a control character");
        }

        // A city and its country may share a name (Luxembourg, Singapore); two cities may not.
        foreach (var group in source.Entities.Values.GroupBy(entity => (entity.Kind, entity.Name)).Where(group => group.Count() > 1))
        {
            foreach (var entity in group.Skip(1))
            {
                problems.Error(entity.Row, $"{entity.Id} has the name '{entity.Name}' of {group.First().Id}; tell them apart");
            }
        }
    }

    private static void CheckCycles(AtlasSource source, string relation, ProblemList problems)
    {
        var next = source.Facts.Where(fact => fact.Relation == relation).ToLookup(fact => fact.Head);
        foreach (var start in next.Select(group => group.Key))
        {
            var at = start;
            for (var step = 0; next[at].FirstOrDefault() is { } fact && step <= next.Count; step++)
            {
                at = fact.Tail;
                if (at == start)
                {
                    problems.Error(fact.Row, $"{start} comes back to itself through {relation}");
                    break;
                }
            }
        }
    }

    private static void CheckUse(AtlasSource source, ProblemList problems)
    {
        var used = source.Facts.SelectMany(fact => new[] { fact.Head, fact.Tail }).ToHashSet(StringComparer.Ordinal);
        foreach (var entity in source.Entities.Values.Where(entity => !used.Contains(entity.Id)))
        {
            problems.Error(entity.Row, $"{entity.Id} is in no fact");
        }
    }

    private static void CheckDescriptions(AtlasSource source, ProblemList problems)
    {
        var neighbours = source.Facts
            .SelectMany(fact => new[] { (fact.Head, fact.Tail), (Head: fact.Tail, Tail: fact.Head) })
            .ToLookup(pair => pair.Head, pair => source.Entities[pair.Tail]);
        foreach (var entity in source.Entities.Values)
        {
            var text = entity.Description;
            var sentences = CountSentences(text);
            if (text.Any(char.IsControl) || sentences is < 1 or > 5 || text[^1] is not ('.' or '!' or '?'))
            {
                problems.Error(entity.Row, $"{entity.Id}: the description must be one to five sentences on one line, and is {sentences}");
            }

            var words = text.Split(' ').Length;
            if (entity.Kind == "country" && words is < 22 or > 66)
            {
                problems.Remark(entity.Row, $"{entity.Id}: the description has {words} words, 25 to 60 are asked for");
            }

            foreach (var told in neighbours[entity.Id].Where(other => entity.Kind == "country" && Mentions(text, other.Name)).Distinct())
            {
                problems.Remark(entity.Row, $"{entity.Id}: the description names {told.Name}, which a triple tells");
            }
        }
    }

    /// <summary>How many sentences a text has: stops that a capital letter or the end follows, but for initials and "St.".</summary>
    public static int CountSentences(string text) => SentenceEnd().Count(text);

    private static bool Mentions(string text, string name) =>
        Regex.IsMatch(text, $@"\b{Regex.Escape(name)}\b", RegexOptions.CultureInvariant);

    [GeneratedRegex(@"(?<!\b(\p{Lu}|St|Mt|Dr|c|ca))[.!?][""”')]*(?=\s+[""“'(]*[\p{Lu}\d]|\s*$)")]
    private static partial Regex SentenceEnd();
}
