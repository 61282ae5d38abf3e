using System.Globalization;

namespace Moodle.Graphs.Layouts;

/// <summary>
/// MyGO: numbered triples (head, relation, tail) in <c>train.txt</c> and so on, beside <c>entities.txt</c> and <c>relations.txt</c>. Line i of
/// those is the label of number i, or the number itself; then <c>entity2id.txt</c> and <c>relation2id.txt</c> may tell the labels.
/// </summary>
internal sealed class MyGoLayout : IGraphLayout
{
    private static readonly SplitFiles s_files = new("mygo", ["train.txt"], ["valid.txt", "val.txt"], ["test.txt"]);

    /// <inheritdoc/>
    public string Name => s_files.Layout;

    /// <inheritdoc/>
    public string LookedFor => s_files.LookedFor + " with numbers, entities.txt, relations.txt";

    /// <inheritdoc/>
    public LayoutMatch Match(string folder)
    {
        var first = s_files.TrainPath(folder) is { } path ? TextLines.First(path) : null;
        var numbers = first?.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return numbers is { Length: 3 } && numbers.All(IsNumber)
            && File.Exists(Path.Combine(folder, "entities.txt")) && File.Exists(Path.Combine(folder, "relations.txt"))
            && s_files.Match(folder) == LayoutMatch.Complete ? LayoutMatch.Complete : LayoutMatch.None;
    }

    /// <inheritdoc/>
    public GraphDraft Read(string folder)
    {
        var (train, validation, test) = s_files.Find(folder);
        var triples = new IdTriples();
        triples.Read(Split.Train, train, mayBeEmpty: false);
        triples.Read(Split.Validation, validation, mayBeEmpty: true);
        triples.Read(Split.Test, test, mayBeEmpty: false);
        var (entityList, entities) = LabelsOf(folder, "entities.txt", "entity2id.txt", "entity");
        var (relationList, relations) = LabelsOf(folder, "relations.txt", "relation2id.txt", "relation");
        return triples.Draft(entities, relations, entityList, relationList);
    }

    private static (string Path, Numbering Labels) LabelsOf(string folder, string list, string labelled, string what)
    {
        var path = Path.Combine(folder, list);
        var labels = LabelTriples.ReadList(path) ?? throw new InputException($"{path}: no such file; the mygo layout needs the {what} of every number, one a line");
        var numbers = labels.Labels.Select((label, line) => label == line.ToString(CultureInfo.InvariantCulture)).All(same => same);
        var other = Path.Combine(folder, labelled);
        return numbers && IdList.HasLabels(other) ? (other, IdList.Read(other, what)) : (path, labels);
    }

    // Numbers as programs write them; 00001740 is a WordNet label.
    private static bool IsNumber(string text) => text.All(char.IsAsciiDigit) && (text.Length == 1 || text[0] != '0');
}
