using System.Runtime.InteropServices;
using Moodle.Graphs.Layouts;

namespace Moodle.Graphs;

/// <summary>Links between data sets, <c>*SameAsLink.txt</c>: lines <c>/m/01 &lt;SameAs&gt; &lt;uri&gt; .</c>, of which either end may be an entity of ours.</summary>
internal sealed class SameAsLinks
{
    private readonly Dictionary<string, List<int>> _entities = new(StringComparer.Ordinal);
    private readonly Dictionary<int, List<string>> _labels = [];

    private SameAsLinks(string? file) => File = file;

    /// <summary>The name of the file, null where there is none.</summary>
    public string? File { get; }

    /// <summary>Reads a folder's links.</summary>
    /// <exception cref="InputException">A line is no link.</exception>
    public static SameAsLinks Read(string folder, Numbering entities)
    {
        var path = Directory.EnumerateFiles(folder, "*SameAsLink.txt").Order(StringComparer.Ordinal).FirstOrDefault();
        var links = new SameAsLinks(Path.GetFileName(path));
        foreach (var (number, text) in path is null ? [] : TextLines.Read(path))
        {
            var columns = LabelTriples.Columns(text);
            if (columns.Count != 3)
            {
                throw InputException.At(path!, number, $"found {columns.Count} columns, expected 3", "a line is an id, <SameAs> and the same entity's id in the other data set");
            }

            links.Add(Labels.Bare(columns[0]), Labels.Bare(columns[2]), entities);
            links.Add(Labels.Bare(columns[2]), Labels.Bare(columns[0]), entities);
        }

        return links;
    }

    /// <summary>The entities that another data set's label means.</summary>
    public IReadOnlyList<int> EntitiesOf(string label) => _entities.TryGetValue(label, out var entities) ? entities : [];

    /// <summary>An entity's labels in the other data set.</summary>
    public IReadOnlyList<string> LabelsOf(int entity) => _labels.TryGetValue(entity, out var labels) ? labels : [];

    private void Add(string own, string other, Numbering entities)
    {
        if (entities.TryGetId(own, out var entity))
        {
            (CollectionsMarshal.GetValueRefOrAddDefault(_entities, other, out _) ??= []).Add(entity);
            (CollectionsMarshal.GetValueRefOrAddDefault(_labels, entity, out _) ??= []).Add(other);
        }
    }
}
