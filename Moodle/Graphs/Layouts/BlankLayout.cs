namespace Moodle.Graphs.Layouts;

/// <summary>
/// Splits as labels between blanks, with a full stop at the end of the line or without, URIs in angle brackets or without: MoMoK and IMF.
/// <c>entity2id.txt</c> and <c>relation2id.txt</c>, where they are there, give the ids.
/// </summary>
internal sealed class BlankLayout : IGraphLayout
{
    private static readonly SplitFiles s_files = new("momok", ["train.txt", "train"], ["valid.txt", "val.txt", "valid", "dev.txt"], ["test.txt", "test"]);

    /// <inheritdoc/>
    public string Name => s_files.Layout;

    /// <inheritdoc/>
    public string LookedFor => s_files.LookedFor + " with blanks between the columns";

    /// <inheritdoc/>
    public LayoutMatch Match(string folder)
    {
        var first = s_files.TrainPath(folder) is { } path ? TextLines.First(path) : null;
        var blanks = first is not null && LabelTriples.Columns(first).Count == 3 && (!first.Contains('\t') || first.TrimEnd() is [.., ' ' or '\t', '.']);
        // A file of another kind may have the same name, so an incomplete folder speaks for no blanks.
        return blanks && s_files.Match(folder) == LayoutMatch.Complete ? LayoutMatch.Complete : LayoutMatch.None;
    }

    /// <inheritdoc/>
    public GraphDraft Read(string folder)
    {
        var (entityList, relationList) = (Path.Combine(folder, "entity2id.txt"), Path.Combine(folder, "relation2id.txt"));
        var entities = File.Exists(entityList) ? IdList.Read(entityList, "entity") : null;
        return new LabelTriples(entities ?? new Numbering(), entities is null ? null : entityList)
        {
            Relations = File.Exists(relationList) ? IdList.Read(relationList, "relation") : new Numbering(),
        }.ReadBlanks(s_files.Find(folder));
    }
}
