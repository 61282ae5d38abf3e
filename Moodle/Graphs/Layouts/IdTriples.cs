using System.Collections.Immutable;
using System.Globalization;

namespace Moodle.Graphs.Layouts;

/// <summary>Splits of numbered triples between blanks or tabs.</summary>
internal sealed class IdTriples
{
    private static readonly int[] s_relationSecond = [0, 1, 2];
    private static readonly int[] s_relationLast = [0, 2, 1];

    private readonly Dictionary<Split, ImmutableArray<Triple>> _splits = [];
    private readonly Dictionary<Split, (string Path, long[] Lines)> _places = [];

    /// <summary>Whether a line is head, tail, relation (OpenKE) and not head, relation, tail.</summary>
    public bool RelationLast { get; init; }

    /// <summary>Whether the first line names the columns.</summary>
    public bool Header { get; init; }

    /// <summary>One more than the highest entity so far.</summary>
    public int Entities { get; private set; }

    /// <summary>One more than the highest relation so far.</summary>
    public int Relations { get; private set; }

    /// <summary>Triples so far.</summary>
    public int Count => _splits.Values.Sum(triples => triples.Length);

    private string Shape => $"a line is {(RelationLast ? "head, tail, relation" : "head, relation, tail")} by their numbers";

    /// <summary>Reads a split; a first line with a count alone is held against the lines that follow.</summary>
    /// <exception cref="InputException">Something in it is wrong.</exception>
    public void Read(Split split, string path, bool mayBeEmpty)
    {
        var order = RelationLast ? s_relationLast : s_relationSecond;
        var (triples, lines, announced) = (ImmutableArray.CreateBuilder<Triple>(), new List<long>(), -1);
        Span<Range> parts = stackalloc Range[5];
        Span<int> numbers = stackalloc int[3];
        foreach (var (number, text) in TextLines.Read(path))
        {
            if (Header && number == 1)
            {
                continue;
            }

            var line = text.AsSpan().Trim();
            if (number == 1 && int.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var count))
            {
                announced = count;
                continue;
            }

            var columns = line.SplitAny(parts, " \t", StringSplitOptions.RemoveEmptyEntries);
            if (columns != 3)
            {
                throw InputException.At(path, number, $"found {columns} {(columns == 1 ? "column" : "columns")}, expected 3", Shape);
            }

            for (var column = 0; column < 3; column++)
            {
                if (!int.TryParse(line[parts[order[column]]], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[column]) || numbers[column] == int.MaxValue)
                {
                    throw InputException.At(path, number, $"'{line[parts[order[column]]]}' is no number of an entity or relation", Shape);
                }
            }

            triples.Add(new Triple(numbers[0], numbers[1], numbers[2]));
            lines.Add(number);
            Entities = Math.Max(Entities, Math.Max(numbers[0], numbers[2]) + 1);
            Relations = Math.Max(Relations, numbers[1] + 1);
        }

        if (announced >= 0 && announced != triples.Count)
        {
            throw InputException.At(path, 1, $"announces {announced} triples, {triples.Count} follow", "the file is cut off, or its first line is wrong");
        }

        if (triples.Count == 0 && !mayBeEmpty)
        {
            throw new InputException($"{path}: holds no triple; {Shape}");
        }

        _splits[split] = triples.DrainToImmutable();
        _places[split] = (path, [.. lines]);
    }

    /// <summary>The labels that number triples where no list names them: 0 to the highest number.</summary>
    /// <exception cref="InputException">The highest number is out of all proportion, so that a single line would cost all memory.</exception>
    public (Numbering Entities, Numbering Relations) PlainLabels(string folder) =>
        Math.Max(Entities, Relations) <= (2L * Count) + 1000
            ? (IdList.Plain(Entities), IdList.Plain(Relations))
            : throw new InputException($"{folder}: {Count} triples number entities up to {Entities - 1} and relations up to {Relations - 1}, and no list names them; add entity2id.txt and relation2id.txt");

    /// <summary>The whole, once every number is known to have a label.</summary>
    /// <exception cref="InputException">A triple has a number that its list does not have.</exception>
    public GraphDraft Draft(Numbering entities, Numbering relations, string entityList, string relationList)
    {
        foreach (var (split, triples) in _splits)
        {
            for (var i = 0; i < triples.Length; i++)
            {
                var (head, relation, tail) = triples[i];
                if (Math.Max(head, tail) >= entities.Count)
                {
                    throw Unlisted(split, i, "entity", Math.Max(head, tail), entityList, entities.Count);
                }

                if (relation >= relations.Count)
                {
                    throw Unlisted(split, i, "relation", relation, relationList, relations.Count);
                }
            }
        }

        return new GraphDraft
        {
            Entities = entities,
            Relations = relations,
            EntityList = entityList,
            Train = _splits[Split.Train],
            Validation = _splits.GetValueOrDefault(Split.Validation, []),
            Test = _splits[Split.Test],
        };
    }

    private InputException Unlisted(Split split, int triple, string what, int number, string list, int count) => InputException.At(
        _places[split].Path, _places[split].Lines[triple], $"{what} {number} is not in {list}, which ends at {count - 1}", RelationLast ? "columns are head, tail, relation" : "columns are head, relation, tail");
}
