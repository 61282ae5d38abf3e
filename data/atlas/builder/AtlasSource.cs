using System.Text.RegularExpressions;

namespace Atlas;

/// <summary>One entity as its table tells of it.</summary>
internal sealed record Entity(string Id, string Kind, string Name, string Description, SourceRow Row);

/// <summary>One fact, by ids, with the row that states it.</summary>
internal sealed record Fact(string Head, string Relation, string Tail, SourceRow Row);

/// <summary>All tables, read: the entities and the facts that their cells state.</summary>
internal sealed partial class AtlasSource
{
    /// <summary>Entities by id.</summary>
    public SortedDictionary<string, Entity> Entities { get; } = new(StringComparer.Ordinal);

    /// <summary>Facts in the order of the tables, repeats and all.</summary>
    public List<Fact> Facts { get; } = [];

    /// <summary>Reads all tables of a folder.</summary>
    public static AtlasSource Read(string folder, ProblemList problems)
    {
        var source = new AtlasSource();
        var links = new List<(Table Table, string Id, SourceRow Row)>();
        foreach (var table in Schema.Tables)
        {
            var files = Directory.GetFiles(folder, table.Name + ".csv").Order(StringComparer.Ordinal).ToList();
            if (files.Count == 0)
            {
                problems.Error(table.Name + ".csv", 1, "there is no such table");
            }

            foreach (var row in files.SelectMany(file => SourceRow.Read(file, table.Columns, problems)))
            {
                var id = table.Kind == "country" ? "country-" + row["code"] : row["id"];
                var entity = new Entity(id, table.Kind, row["name"], row["description"], row);
                if (!IdPattern().IsMatch(id) || !id.StartsWith(table.Kind + "-", StringComparison.Ordinal))
                {
                    problems.Error(row, $"'{id}' is no id of the form {table.Kind}-lower-case-words");
                }
                else if (!source.Entities.TryAdd(id, entity))
                {
                    var other = source.Entities[id].Row;
                    problems.Error(row, $"{id} stands already at {other.File}:{other.Line}");
                }
                else
                {
                    links.Add((table, id, row));
                }
            }
        }

        foreach (var (table, id, row) in links)
        {
            foreach (var column in table.Links)
            {
                source.AddFacts(id, row, column, problems);
            }
        }

        return source;
    }

    private void AddFacts(string id, SourceRow row, LinkColumn column, ProblemList problems)
    {
        var items = row.List(column.Name);
        if (items.Length < column.Least)
        {
            problems.Error(row, $"{id}: {column.Name} is empty");
        }
        else if (items.Length > column.Most)
        {
            problems.Error(row, $"{id}: {column.Name} has {items.Length} ids, at most {column.Most} are allowed");
        }

        foreach (var twice in items.GroupBy(item => item).Where(group => group.Count() > 1))
        {
            problems.Error(row, $"{id}: {column.Name} names {twice.Key} twice");
        }

        foreach (var item in items.Distinct())
        {
            var other = column.Kinds[0] is "country" or "traffic" ? $"{column.Kinds[0]}-{item}" : item;
            if (!Entities.TryGetValue(other, out var entity))
            {
                problems.Error(row, $"{id}: {column.Name} names {item}, which stands in no table");
            }
            else if (!column.Kinds.Contains(entity.Kind))
            {
                problems.Error(row, $"{id}: {column.Name} names {item}, expected the id of a {string.Join(" or ", column.Kinds)}");
            }
            else if (other == id)
            {
                problems.Error(row, $"{id}: {column.Name} names the row itself");
            }
            else if (!(column.Name == "country" && row["capital"] == "yes"))
            {
                // "capital of" implies "is a city in": stating both would give the one away by the other.
                Facts.Add(column.Inverted ? new(other, column.Relation, id, row) : new(id, column.Relation, other, row));
            }
        }
    }

    [GeneratedRegex("^[a-z]+(-[a-z0-9]+)+$")]
    private static partial Regex IdPattern();
}
