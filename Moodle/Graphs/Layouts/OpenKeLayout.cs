namespace Moodle.Graphs.Layouts;

/// <summary>
/// OpenKE and its family (NativE, AdaMF-MAT, MMRNS): <c>*2id.txt</c> with a line for the count, columns head, tail, relation by number.
/// Where <c>entity2id.txt</c> holds the count alone, as some distribute it, numbers are their own labels.
/// </summary>
internal sealed class OpenKeLayout : IGraphLayout
{
    private static readonly SplitFiles s_files = new("openke", ["train2id.txt"], ["valid2id.txt", "dev2id.txt"], ["test2id.txt"]);

    /// <inheritdoc/>
    public string Name => s_files.Layout;

    /// <inheritdoc/>
    public string LookedFor => s_files.LookedFor + ", entity2id.txt, relation2id.txt";

    /// <inheritdoc/>
    public LayoutMatch Match(string folder) => s_files.Match(folder);

    /// <inheritdoc/>
    public GraphDraft Read(string folder)
    {
        var (train, validation, test) = s_files.Find(folder);
        var triples = new IdTriples { RelationLast = true };
        triples.Read(Split.Train, train, mayBeEmpty: false);
        triples.Read(Split.Validation, validation, mayBeEmpty: true);
        triples.Read(Split.Test, test, mayBeEmpty: false);
        var (entityList, relationList) = (Path.Combine(folder, "entity2id.txt"), Path.Combine(folder, "relation2id.txt"));
        return triples.Draft(
            IdList.HasLabels(entityList) ? IdList.Read(entityList, "entity") : triples.PlainLabels(folder).Entities,
            IdList.HasLabels(relationList) ? IdList.Read(relationList, "relation") : triples.PlainLabels(folder).Relations,
            entityList, relationList);
    }
}
