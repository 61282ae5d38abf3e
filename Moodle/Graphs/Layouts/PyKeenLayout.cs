namespace Moodle.Graphs.Layouts;

/// <summary>
/// A PyKEEN data set as its <c>to_directory_binary</c> stores it: in <c>training/</c>, <c>validation/</c> and <c>testing/</c> numbered triples and labels as
/// packed tables. The pickles beside them are not opened.
/// </summary>
internal sealed class PyKeenLayout : IGraphLayout
{
    private const string Triples = "numeric_triples.tsv.gz";
    private static readonly SplitFiles s_files = new("pykeen", [$"training/{Triples}"], [$"validation/{Triples}"], [$"testing/{Triples}"]);

    /// <inheritdoc/>
    public string Name => s_files.Layout;

    /// <inheritdoc/>
    public string LookedFor => s_files.LookedFor;

    /// <inheritdoc/>
    public LayoutMatch Match(string folder) => s_files.Match(folder);

    /// <inheritdoc/>
    public GraphDraft Read(string folder)
    {
        var (train, validation, test) = s_files.Find(folder);
        var triples = new IdTriples { Header = true };
        triples.Read(Split.Train, train, mayBeEmpty: false);
        triples.Read(Split.Validation, validation, mayBeEmpty: true);
        triples.Read(Split.Test, test, mayBeEmpty: false);
        var (entityList, relationList) = (Path.Combine(folder, "training", "entity_to_id.tsv.gz"), Path.Combine(folder, "training", "relation_to_id.tsv.gz"));
        return triples.Draft(
            File.Exists(entityList) ? IdList.Read(entityList, "entity", idFirst: true, header: true) : triples.PlainLabels(folder).Entities,
            File.Exists(relationList) ? IdList.Read(relationList, "relation", idFirst: true, header: true) : triples.PlainLabels(folder).Relations,
            entityList, relationList);
    }
}
