namespace Moodle.Graphs.Layouts;

/// <summary>Splits as tab separated labels (head, relation, tail); <c>entities.txt</c>, where it is there, gives ids and candidates.</summary>
/// <param name="files">The names of the split files, in which such layouts differ.</param>
internal sealed class LabelLayout(SplitFiles files) : IGraphLayout
{
    /// <summary><c>train.tsv</c>, <c>dev.tsv</c>, <c>test.tsv</c>: what MKGformer distributes and <c>moodle data convert</c> writes.</summary>
    public static LabelLayout MkgFormer { get; } = new(new SplitFiles("mkgformer", ["train.tsv"], ["dev.tsv", "valid.tsv"], ["test.tsv"]));

    /// <summary><c>train</c>, <c>valid</c>, <c>test</c>, with or without <c>.txt</c>: MoSE, PyKEEN's and LibKGE's raw data sets, and many others.</summary>
    public static LabelLayout MoSe { get; } = new(new SplitFiles(
        "mose", ["train", "train.txt"], ["valid", "valid.txt", "val.txt", "dev.txt"], ["test", "test.txt"]));

    /// <inheritdoc/>
    public string Name => files.Layout;

    /// <inheritdoc/>
    public string LookedFor => files.LookedFor;

    /// <inheritdoc/>
    public LayoutMatch Match(string folder) => files.Match(folder);

    /// <inheritdoc/>
    public GraphDraft Read(string folder)
    {
        var list = Path.Combine(folder, "entities.txt");
        var entities = LabelTriples.ReadList(list);
        return new LabelTriples(entities ?? new Numbering(), entities is null ? null : list).ReadTabs(files.Find(folder));
    }
}
