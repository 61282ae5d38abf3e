using System.Globalization;

namespace Moodle.Graphs.Layouts;

/// <summary>
/// MMKB: all triples in one file, <c>*_EntityTriples.txt</c>, <c>&lt;head&gt; &lt;relation&gt; &lt;tail&gt; .</c>, without splits. Validation and test, a tenth of the distinct
/// triples each, are drawn by <see cref="TripleDraw"/>, the same ones every time.
/// </summary>
internal sealed class MmkbLayout : IGraphLayout
{
    private const string Pattern = "*EntityTriples.txt";
    private const double Share = 0.1;
    private const int Seed = 1;

    /// <inheritdoc/>
    public string Name => "mmkb";

    /// <inheritdoc/>
    public string LookedFor => Pattern;

    /// <inheritdoc/>
    public LayoutMatch Match(string folder) => Directory.EnumerateFiles(folder, Pattern).Any() ? LayoutMatch.Complete : LayoutMatch.None;

    /// <inheritdoc/>
    public GraphDraft Read(string folder)
    {
        var files = Directory.GetFiles(folder, Pattern);
        var path = files.Length == 1
            ? files[0]
            : throw new InputException($"{folder}: holds {files.Length} files {Pattern}, the mmkb layout has one; keep the one to read");
        var entities = new Numbering();
        var labels = new LabelTriples(entities, null);
        var all = labels.ReadBlanks(path);
        var (rest, test) = TripleDraw.Take([.. all.Distinct()], entities.Labels, labels.Relations.Labels, Share, Seed);
        var (train, validation) = TripleDraw.Take(rest, entities.Labels, labels.Relations.Labels, Share / (1 - Share), Seed + 1);
        return new GraphDraft
        {
            Entities = entities,
            Relations = labels.Relations,
            Train = train,
            Validation = validation,
            Test = test,
            Notes = [string.Create(CultureInfo.InvariantCulture, $"{Path.GetFileName(path)} has no splits: {validation.Length:N0} validation and {test.Length:N0} test triples were drawn from its {all.Length:N0}, the same ones every time; figures compare with no published ones")],
        };
    }
}
