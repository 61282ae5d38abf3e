namespace Moodle.Configuration;

/// <summary>Finds the key that somebody meant.</summary>
internal static class KeySuggestion
{
    // A section left out of a path is a likelier slip than one too many.
    private const int MissingSegment = 2;
    private const int ExtraSegment = 4;

    /// <summary>The known key nearest to a path, or null where none has a similar last name.</summary>
    public static string? Nearest(string path, IEnumerable<string> known)
    {
        var given = path.ToLowerInvariant().Split('.');
        return known
            .Select(key => (Key: key, Names: key.Split('.')))
            .Where(key => Distance(given[^1], key.Names[^1]) <= Math.Max(2, given[^1].Length / 3))
            .OrderBy(key => Distance(given, key.Names))
            .Select(key => key.Key)
            .FirstOrDefault();
    }

    private static int Distance(string[] given, string[] known) =>
        Align(given.Length, known.Length, ExtraSegment, MissingSegment, (i, j) => Distance(given[i], known[j]));

    private static int Distance(string given, string known) =>
        Align(given.Length, known.Length, 1, 1, (i, j) => given[i] == known[j] ? 0 : 1);

    /// <summary>Levenshtein's distance with costs of its own.</summary>
    private static int Align(int given, int known, int delete, int insert, Func<int, int, int> replace)
    {
        var costs = new int[given + 1, known + 1];
        for (var i = 0; i <= given; i++)
        {
            for (var j = 0; j <= known; j++)
            {
                costs[i, j] = (i, j) switch
                {
                    (0, _) => j * insert,
                    (_, 0) => i * delete,
                    _ => Math.Min(costs[i - 1, j - 1] + replace(i - 1, j - 1), Math.Min(costs[i - 1, j] + delete, costs[i, j - 1] + insert)),
                };
            }
        }

        return costs[given, known];
    }
}
