namespace Moodle.Graphs;

/// <summary>Labels while they are being numbered.</summary>
internal sealed class Numbering
{
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);

    /// <summary>The labels so far; the position is the id.</summary>
    public List<string> Labels { get; } = [];

    /// <summary>The number of labels so far.</summary>
    public int Count => Labels.Count;

    /// <summary>Finds a label's id.</summary>
    public bool TryGetId(string label, out int id) => _ids.TryGetValue(label, out id);

    /// <summary>A label's id, the next one where the label is new.</summary>
    public int IdOf(string label)
    {
        if (!_ids.TryGetValue(label, out var id))
        {
            id = Labels.Count;
            _ids.Add(label, id);
            Labels.Add(label);
        }

        return id;
    }

    /// <summary>Adds a label that must be new.</summary>
    /// <returns>Whether it was.</returns>
    public bool TryAdd(string label)
    {
        var before = Count;
        return IdOf(label) == before;
    }
}
