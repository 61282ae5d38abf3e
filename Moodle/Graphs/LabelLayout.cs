using System.Collections.Immutable;

namespace Moodle.Graphs;

/// <summary>
/// Splits as tab separated labels (head, relation, tail), texts beside them and a folder of pictures for each entity.
/// MKGformer's and MoSE's data sets differ in the names of the split files alone.
/// </summary>
/// <param name="name">Name of the layout.</param>
/// <param name="train">Names that the training split may have, the usual one first.</param>
/// <param name="validation">Names that the validation split may have.</param>
/// <param name="test">Names that the test split may have.</param>
internal sealed class LabelLayout(string name, string[] train, string[] validation, string[] test) : IGraphLayout
{
    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public string LookedFor => string.Join(", ", new[] { train, validation, test }.Select(names => string.Join(" or ", names)));

    /// <inheritdoc/>
    public bool Recognises(string folder) => train.Concat(validation).Concat(test).Any(file => File.Exists(Path.Combine(folder, file)));

    /// <inheritdoc/>
    public KnowledgeGraph Read(string folder)
    {
        var entities = EntityList(folder);
        var entityListPath = entities is null ? null : Path.Combine(folder, "entities.txt");
        entities ??= new Numbering();
        var relations = new Numbering();

        var trainTriples = ReadSplit(Find(folder, train), entities, entityListPath, relations, mayBeEmpty: false);
        var validationTriples = ReadSplit(Find(folder, validation), entities, entityListPath, relations, mayBeEmpty: true);
        var testTriples = ReadSplit(Find(folder, test), entities, entityListPath, relations, mayBeEmpty: false);

        var names = ReadTexts(Path.Combine(folder, "entity2text.txt"), entities, "entity", "name");
        var descriptions = ReadTexts(Path.Combine(folder, "entity2textlong.txt"), entities, "entity", "description");
        var relationNames = ReadTexts(Path.Combine(folder, "relation2text.txt"), relations, "relation", "name");
        return new KnowledgeGraph
        {
            Path = folder,
            Layout = name,
            Entities = new Vocabulary(entities.Labels),
            Relations = new Vocabulary(relations.Labels),
            EntityNames = [.. names.Select((text, id) => text ?? entities.Labels[id])],
            Descriptions = [.. descriptions],
            RelationNames = [.. relationNames.Select((text, id) => text ?? relations.Labels[id])],
            Images = ImageFolders.Find(Path.Combine(folder, "images"), entities.Labels),
            Train = trainTriples,
            Validation = validationTriples,
            Test = testTriples,
        };
    }

    private string Find(string folder, string[] names) =>
        names.Select(file => Path.Combine(folder, file)).FirstOrDefault(File.Exists)
        ?? throw new InputException($"{Path.Combine(folder, names[0])}: no such file; the {name} layout needs {LookedFor}");

    private static Numbering? EntityList(string folder)
    {
        var path = Path.Combine(folder, "entities.txt");
        if (!File.Exists(path))
        {
            return null;
        }

        var entities = new Numbering();
        foreach (var row in Tsv.Read(path, "entity"))
        {
            var before = entities.Labels.Count;
            var id = entities.IdOf(row.Fields[0]);
            if (id < before)
            {
                throw InputException.At(path, row.Line, $"entity '{row.Fields[0]}' is listed twice", "remove one of the two lines");
            }
        }

        return entities;
    }

    private static ImmutableArray<Triple> ReadSplit(string path, Numbering entities, string? entityListPath, Numbering relations, bool mayBeEmpty)
    {
        var triples = ImmutableArray.CreateBuilder<Triple>();
        foreach (var row in Tsv.Read(path, "head", "relation", "tail"))
        {
            var empty = Array.FindIndex(row.Fields, string.IsNullOrWhiteSpace);
            if (empty >= 0)
            {
                throw InputException.At(path, row.Line, $"column {empty + 1} is empty", "a line is tab separated: head, relation, tail");
            }

            triples.Add(new Triple(Entity(row.Fields[0], row.Line), relations.IdOf(row.Fields[1]), Entity(row.Fields[2], row.Line)));
        }

        if (triples.Count == 0 && !mayBeEmpty)
        {
            throw new InputException($"{path}: holds no triple; a line is tab separated: head, relation, tail");
        }

        return triples.DrainToImmutable();

        int Entity(string label, long line) =>
            entityListPath is null ? entities.IdOf(label)
            : entities.TryGetId(label, out var id) ? id
            : throw InputException.At(path, line, $"entity '{label}' is not in {entityListPath}", "add it there, or remove that file");
    }

    // The first text of an entity counts; texts of others are passed over, for public files often describe a larger graph.
    private static string?[] ReadTexts(string path, Numbering numbering, string key, string text)
    {
        var texts = new string?[numbering.Labels.Count];
        if (File.Exists(path))
        {
            foreach (var row in Tsv.Read(path, key, text))
            {
                if (numbering.TryGetId(row.Fields[0], out var id) && !string.IsNullOrWhiteSpace(row.Fields[1]))
                {
                    texts[id] ??= row.Fields[1].Trim();
                }
            }
        }

        return texts;
    }

    /// <summary>Labels while they are being numbered.</summary>
    private sealed class Numbering
    {
        private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);

        public List<string> Labels { get; } = [];

        public bool TryGetId(string label, out int id) => _ids.TryGetValue(label, out id);

        public int IdOf(string label)
        {
            if (!_ids.TryGetValue(label, out var id))
            {
                id = Labels.Count;
                _ids.Add(label, id);
                Labels.Add(label);
            }

            return id;
        }
    }
}
