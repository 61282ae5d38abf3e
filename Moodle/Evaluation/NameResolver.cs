using System.Collections.Immutable;
using Moodle.Graphs;

namespace Moodle.Evaluation;

/// <summary>Finds what a user calls an entity or a relation: its label, its name, or either in another case, in this order.</summary>
public sealed class NameResolver
{
    private const int MostListed = 10;
    private const int Suggestions = 3;

    private readonly string _kind;
    private readonly Vocabulary _vocabulary;
    private readonly ImmutableArray<string> _names;
    private readonly Lazy<ILookup<string, int>> _ids;

    /// <summary>Creates a resolver.</summary>
    /// <param name="kind">What is looked for, in messages: <c>entity</c> or <c>relation</c>.</param>
    /// <param name="vocabulary">The labels.</param>
    /// <param name="names">A readable name for each label.</param>
    public NameResolver(string kind, Vocabulary vocabulary, ImmutableArray<string> names)
    {
        _kind = kind;
        _vocabulary = vocabulary;
        _names = names;
        _ids = new(() => vocabulary.Labels.Select((label, id) => (label, id)).Concat(names.Select((name, id) => (label: name, id)))
            .ToLookup(pair => pair.label, pair => pair.id, StringComparer.OrdinalIgnoreCase));
    }

    /// <summary>The id of what the text names.</summary>
    /// <exception cref="InputException">
    /// Nothing is called so (the message names the nearest three), or several are (the message lists their labels).
    /// </exception>
    public int Resolve(string text)
    {
        text = text.Trim();
        if (_vocabulary.TryGetId(text, out var id))
        {
            return id;
        }

        int[] found = [.. _ids.Value[text].Distinct()];
        int[] exact = [.. found.Where(candidate => _names[candidate] == text)];
        return (exact.Length > 0 ? exact : found) switch
        {
            [var one] => one,
            [] => throw new InputException($"no {_kind} is called '{text}'; the nearest are {string.Join(", ", Nearest(text).Select(Describe))}"),
            var several => throw new InputException(
                $"'{text}' is the name of {several.Length} {(_kind == "entity" ? "entities" : _kind + "s")}; give one of the ids {string.Join(", ", several.Take(MostListed).Select(s => _vocabulary[s]))}"
                + (several.Length > MostListed ? $" and {several.Length - MostListed} more" : "")),
        };
    }

    private string Describe(int id) => _names[id] == _vocabulary[id] ? $"'{_vocabulary[id]}'" : $"'{_names[id]}' ({_vocabulary[id]})";

    private IEnumerable<int> Nearest(string text)
    {
        // Worst of the best three first, so that it can be thrown out.
        var best = new PriorityQueue<int, (int, int)>();
        for (var id = 0; id < _vocabulary.Count; id++)
        {
            var limit = best.Count < Suggestions || !best.TryPeek(out _, out var worst) ? int.MaxValue : -worst.Item1;
            var distance = Math.Min(Distance(text, _names[id], limit), Distance(text, _vocabulary[id], limit));
            if (distance < limit)
            {
                best.Enqueue(id, (-distance, -id));
                if (best.Count > Suggestions)
                {
                    best.Dequeue();
                }
            }
        }

        return best.UnorderedItems.OrderByDescending(item => item.Priority).Select(item => item.Element);
    }

    /// <summary>Levenshtein's edit distance, upper and lower case being the same; any number from <paramref name="limit"/> on where it is not below it.</summary>
    internal static int Distance(string a, string b, int limit = int.MaxValue)
    {
        if (Math.Abs(a.Length - b.Length) >= limit)
        {
            return limit;
        }

        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            var letter = char.ToLowerInvariant(a[i - 1]);
            for (var j = 1; j <= b.Length; j++)
            {
                var replaced = diagonal + (letter == char.ToLowerInvariant(b[j - 1]) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, 1 + Math.Min(row[j], row[j - 1]));
            }
        }

        return row[b.Length];
    }
}
