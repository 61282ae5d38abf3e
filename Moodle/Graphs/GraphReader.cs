namespace Moodle.Graphs;

/// <summary>Reads a data set's folder, whatever known layout it has.</summary>
public static class GraphReader
{
    private static readonly IGraphLayout[] Layouts =
    [
        new LabelLayout("mkgformer", ["train.tsv"], ["dev.tsv", "valid.tsv"], ["test.tsv"]),
        new LabelLayout("mose", ["train", "train.txt"], ["valid", "valid.txt"], ["test", "test.txt"]),
    ];

    /// <summary>
    /// Reads a folder. Entities are numbered in the order of <c>entities.txt</c> where there is one, otherwise by their first
    /// occurrence in the training, validation and test triples; relations always by first occurrence.
    /// An entity of the text files that is in neither is no candidate and is left out.
    /// </summary>
    /// <exception cref="InputException">The folder is missing, of no known layout, or something in it is wrong.</exception>
    public static KnowledgeGraph Read(string folder)
    {
        if (!Directory.Exists(folder))
        {
            throw new InputException($"{folder}: no such folder; data.path must name the folder of a data set");
        }

        var layout = Array.Find(Layouts, layout => layout.Recognises(folder))
            ?? throw new InputException($"{folder}: not a data set of a known layout; looked for "
                + string.Join("; ", Layouts.Select(layout => $"{layout.LookedFor} ({layout.Name})")));
        return layout.Read(folder);
    }
}
