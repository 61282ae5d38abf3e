namespace Moodle.Graphs;

/// <summary>
/// Names and descriptions as data sets bring them: a line is an id, a tab and the text. The first text of an entity counts, in the order of
/// the files below; texts of entities that the graph does not have are passed over, for public files often describe a larger graph.
/// </summary>
internal static class TextFiles
{
    private static readonly string[] s_names = ["entity2text.txt", "ent_name.txt", "entity_strings.del"];
    private static readonly string[] s_descriptions = ["entity2textlong.txt", "ent_dscp.txt", "entity_description.txt"];
    private static readonly string[] s_relationNames = ["relation2text.txt", "relation_strings.del"];
    private const string Definitions = "wordnet-mlj12-definitions.txt";

    /// <summary>Whether a folder has texts of entities.</summary>
    public static bool AnyIn(string folder) => s_names.Concat(s_descriptions).Append(Definitions).Any(file => File.Exists(Path.Combine(folder, file)));

    /// <summary>Fills in names and descriptions that are still missing.</summary>
    /// <param name="folder">The folder of the files.</param>
    /// <param name="entitiesOf">The entities that an id in the files means.</param>
    /// <param name="names">By entity.</param>
    /// <param name="descriptions">By entity.</param>
    /// <exception cref="InputException">A file is not readable, or a line has no tab.</exception>
    public static void FillEntities(string folder, Func<string, IReadOnlyList<int>> entitiesOf, string?[] names, string?[] descriptions)
    {
        Fill(folder, s_names, "entity, name", entitiesOf, names);
        Fill(folder, s_descriptions, "entity, description", entitiesOf, descriptions);
        foreach (var (id, text) in Rows(Path.Combine(folder, Definitions), "offset, __word_POS_sense, definition"))
        {
            // __baby_animal_NN_1 TAB the young of an animal
            var tab = text.IndexOf('\t', StringComparison.Ordinal);
            foreach (var entity in entitiesOf(id))
            {
                names[entity] ??= tab > 0 ? Word(text[..tab]) : null;
                descriptions[entity] ??= Clean(text[(tab + 1)..]);
            }
        }
    }

    /// <summary>Fills in the names of relations.</summary>
    /// <exception cref="InputException">A file is not readable, or a line has no tab.</exception>
    public static void FillRelations(string folder, Func<string, IReadOnlyList<int>> relationsOf, string?[] names) =>
        Fill(folder, s_relationNames, "relation, name", relationsOf, names);

    private static void Fill(string folder, string[] files, string columns, Func<string, IReadOnlyList<int>> idsOf, string?[] texts)
    {
        foreach (var file in files)
        {
            foreach (var (id, text) in Rows(Path.Combine(folder, file), columns))
            {
                foreach (var entity in idsOf(id))
                {
                    texts[entity] ??= Clean(file == "ent_name.txt" ? text.Replace('_', ' ') : text);
                }
            }
        }
    }

    private static IEnumerable<(string Id, string Text)> Rows(string path, string columns)
    {
        foreach (var (number, line) in File.Exists(path) ? TextLines.Read(path) : [])
        {
            var tab = line.IndexOf('\t', StringComparison.Ordinal);
            yield return tab >= 0
                ? (Labels.Bare(line[..tab].Trim()), line[(tab + 1)..])
                : throw InputException.At(path, number, "found 1 column, expected 2", $"a line is tab separated: {columns}");
        }
    }

    private static string? Word(string sense)
    {
        var parts = sense.Trim('_', ' ').Split('_');
        return parts.Length > 2 ? string.Join(' ', parts[..^2]) : Clean(sense);
    }

    // Some sources leave the escapes and the language of the RDF that they come from.
    private static string? Clean(string text)
    {
        text = text.Replace('\t', ' ').Trim();
        if (text.Length > 4 && text[0] == '"' && text.EndsWith("\"@en", StringComparison.Ordinal))
        {
            text = text[1..^4];
        }

        text = text.Replace("\\\"", "\"", StringComparison.Ordinal).Trim();
        return text.Length == 0 ? null : text;
    }
}
