namespace Moodle.Graphs;

/// <summary>What labels look like in files, and to people.</summary>
internal static class Labels
{
    /// <summary>A label without the brackets that N-Triples put around a URI: <c>&lt;http://x/Y&gt;</c> and <c>http://x/Y</c> are one.</summary>
    public static string Bare(string label) => label.Length > 2 && label[0] == '<' && label[^1] == '>' ? label[1..^1] : label;

    /// <summary>A label for people: of a URI the last part, blanks for underscores; any other label as it is.</summary>
    public static string Readable(string label)
    {
        if (!label.StartsWith("http://", StringComparison.Ordinal) && !label.StartsWith("https://", StringComparison.Ordinal))
        {
            return label;
        }

        var last = label[(label.TrimEnd('/', '#').LastIndexOfAny(['/', '#']) + 1)..].TrimEnd('/', '#');
        var readable = Uri.UnescapeDataString(last).Replace('_', ' ').Trim();
        return readable.Length > 0 ? readable : label;
    }
}
