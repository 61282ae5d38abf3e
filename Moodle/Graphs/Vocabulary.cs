using System.Collections.Immutable;

namespace Moodle.Graphs;

/// <summary>Labels (ids as they stand in the data set's files) numbered from 0 in a fixed order.</summary>
public sealed class Vocabulary
{
    private readonly Dictionary<string, int> _ids;

    /// <summary>Numbers the labels in the order given.</summary>
    /// <exception cref="ArgumentException">A label occurs twice.</exception>
    public Vocabulary(IEnumerable<string> labels)
    {
        Labels = [.. labels];
        _ids = new Dictionary<string, int>(Labels.Length, StringComparer.Ordinal);
        for (var id = 0; id < Labels.Length; id++)
        {
            if (!_ids.TryAdd(Labels[id], id))
            {
                throw new ArgumentException($"label '{Labels[id]}' occurs twice", nameof(labels));
            }
        }
    }

    /// <summary>All labels; the position is the id.</summary>
    public ImmutableArray<string> Labels { get; }

    /// <summary>The number of labels.</summary>
    public int Count => Labels.Length;

    /// <summary>The label of an id.</summary>
    public string this[int id] => Labels[id];

    /// <summary>Finds a label's id.</summary>
    public bool TryGetId(string label, out int id) => _ids.TryGetValue(label, out id);
}
