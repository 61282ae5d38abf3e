namespace Moodle.Graphs.Layouts;

/// <summary>LibKGE after its preprocessing: <c>train.del</c>, <c>valid.del</c>, <c>test.del</c> by number, labels in <c>entity_ids.del</c> and <c>relation_ids.del</c>.</summary>
internal sealed class LibKgeLayout : IGraphLayout
{
    private static readonly SplitFiles s_files = new("libkge", ["train.del"], ["valid.del"], ["test.del"]);

    /// <inheritdoc/>
    public string Name => s_files.Layout;

    /// <inheritdoc/>
    public string LookedFor => s_files.LookedFor + ", entity_ids.del, relation_ids.del";

    /// <inheritdoc/>
    public LayoutMatch Match(string folder) => s_files.Match(folder);

    /// <inheritdoc/>
    public GraphDraft Read(string folder)
    {
        var (train, validation, test) = s_files.Find(folder);
        var triples = new IdTriples();
        triples.Read(Split.Train, train, mayBeEmpty: false);
        triples.Read(Split.Validation, validation, mayBeEmpty: true);
        triples.Read(Split.Test, test, mayBeEmpty: false);
        var (entityList, relationList) = (Path.Combine(folder, "entity_ids.del"), Path.Combine(folder, "relation_ids.del"));
        return triples.Draft(
            IdList.Read(entityList, "entity", idFirst: true), IdList.Read(relationList, "relation", idFirst: true), entityList, relationList);
    }
}
