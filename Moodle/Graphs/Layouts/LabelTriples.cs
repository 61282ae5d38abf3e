using System.Collections.Immutable;

namespace Moodle.Graphs.Layouts;

/// <summary>Triples by labels while their entities and relations are being numbered.</summary>
/// <param name="entities">The entities, all of them where <paramref name="entityList"/> names their list, otherwise numbered as they come.</param>
/// <param name="entityList">The file that lists the entities, or null.</param>
internal sealed class LabelTriples(Numbering entities, string? entityList)
{
    /// <summary>The shape of a line of tab separated splits, for errors.</summary>
    public const string TabShape = "a line is tab separated: head, relation, tail";

    /// <summary>The shape of a line of splits between blanks, for errors.</summary>
    public const string BlankShape = "a line is head, relation and tail between blanks, with or without a full stop at the end";

    /// <summary>Relations in the order of their first occurrence, or as a list gave them.</summary>
    public Numbering Relations { get; init; } = new();

    /// <summary>A list of entities, one a line, which gives ids and candidates.</summary>
    /// <returns>Null where the file is not there.</returns>
    /// <exception cref="InputException">An entity stands there twice.</exception>
    public static Numbering? ReadList(string path)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        var entities = new Numbering();
        foreach (var row in Tsv.Read(path, "entity"))
        {
            if (!entities.TryAdd(Labels.Bare(row.Fields[0])))
            {
                throw InputException.At(path, row.Line, $"entity '{row.Fields[0]}' is listed twice", "remove one of the two lines");
            }
        }

        return entities;
    }

    /// <summary>Reads tab separated splits: training and test must hold something.</summary>
    public GraphDraft ReadTabs((string Train, string Validation, string Test) paths) => Draft(paths, TabShape,
        path => Tsv.Read(path, "head", "relation", "tail").Select(row => (row.Line, Array.ConvertAll(row.Fields, Labels.Bare))));

    /// <summary>Reads splits between blanks: training and test must hold something.</summary>
    public GraphDraft ReadBlanks((string Train, string Validation, string Test) paths) => Draft(paths, BlankShape, Blanks);

    /// <summary>Reads a single file between blanks.</summary>
    public ImmutableArray<Triple> ReadBlanks(string path) => Read(path, Blanks(path), BlankShape, mayBeEmpty: false);

    /// <summary>The columns of a line between blanks or tabs, without the full stop at its end; what stands in angle brackets is one.</summary>
    public static List<string> Columns(string line)
    {
        var columns = new List<string>(4);
        for (var at = 0; at < line.Length;)
        {
            if (char.IsWhiteSpace(line[at]))
            {
                at++;
                continue;
            }

            var end = line[at] == '<' ? line.IndexOf('>', at) + 1 : 0;
            if (end <= at || (end < line.Length && !char.IsWhiteSpace(line[end])))
            {
                for (end = at; end < line.Length && !char.IsWhiteSpace(line[end]); end++)
                {
                }
            }

            columns.Add(line[at..end]);
            at = end;
        }

        if (columns.Count > 1 && columns[^1] == ".")
        {
            columns.RemoveAt(columns.Count - 1);
        }

        return columns;
    }

    private static IEnumerable<(long Line, string[] Fields)> Blanks(string path)
    {
        foreach (var (number, text) in TextLines.Read(path))
        {
            var columns = Columns(text);
            if (columns.Count != 3)
            {
                throw InputException.At(path, number, $"found {columns.Count} {(columns.Count == 1 ? "column" : "columns")}, expected 3", BlankShape);
            }

            yield return (number, [.. columns.Select(Labels.Bare)]);
        }
    }

    private GraphDraft Draft((string Train, string Validation, string Test) paths, string shape, Func<string, IEnumerable<(long, string[])>> rows) => new()
    {
        Train = Read(paths.Train, rows(paths.Train), shape, mayBeEmpty: false),
        Validation = Read(paths.Validation, rows(paths.Validation), shape, mayBeEmpty: true),
        Test = Read(paths.Test, rows(paths.Test), shape, mayBeEmpty: false),
        Entities = entities,
        Relations = Relations,
        EntityList = entityList,
    };

    private ImmutableArray<Triple> Read(string path, IEnumerable<(long Line, string[] Fields)> rows, string shape, bool mayBeEmpty)
    {
        var triples = ImmutableArray.CreateBuilder<Triple>();
        foreach (var (line, fields) in rows)
        {
            var empty = Array.FindIndex(fields, string.IsNullOrWhiteSpace);
            if (empty >= 0)
            {
                throw InputException.At(path, line, $"column {empty + 1} is empty", shape);
            }

            triples.Add(new Triple(Entity(fields[0], line), Relations.IdOf(fields[1]), Entity(fields[2], line)));
        }

        return triples.Count > 0 || mayBeEmpty ? triples.DrainToImmutable() : throw new InputException($"{path}: holds no triple; {shape}");

        int Entity(string label, long line) =>
            entityList is null ? entities.IdOf(label)
            : entities.TryGetId(label, out var id) ? id
            : throw InputException.At(path, line, $"entity '{label}' is not in {entityList}", "add it there, or remove that file");
    }
}
