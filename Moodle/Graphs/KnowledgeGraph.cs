using System.Collections.Immutable;

namespace Moodle.Graphs;

/// <summary>A multimodal knowledge graph as read from a folder: triples in three splits, names, descriptions and pictures.</summary>
public sealed class KnowledgeGraph
{
    /// <summary>The folder it was read from.</summary>
    public required string Path { get; init; }

    /// <summary>The layout that the folder was recognised as, such as <c>mkgformer</c>.</summary>
    public required string Layout { get; init; }

    /// <summary>Entities, numbered; every one is a candidate in ranking.</summary>
    public required Vocabulary Entities { get; init; }

    /// <summary>Relations, numbered; id r + |R| means the reciprocal of r wherever relations of queries are given.</summary>
    public required Vocabulary Relations { get; init; }

    /// <summary>The file that lists the entities in the order of their ids; null where they are numbered as the triples name them.</summary>
    public string? EntityList { get; init; }

    /// <summary>The name that the data set gives an entity, null where it gives none.</summary>
    public required ImmutableArray<string?> GivenNames { get; init; }

    /// <summary>A readable name for every entity: the data set's, or what its label reads like.</summary>
    public ImmutableArray<string> EntityNames =>
        field.IsDefault ? field = [.. GivenNames.Select((name, entity) => name ?? Labels.Readable(Entities[entity]))] : field;

    /// <summary>A description for every entity, null where there is none.</summary>
    public required ImmutableArray<string?> Descriptions { get; init; }

    /// <summary>A readable name for every relation: the data set's, or what its label reads like.</summary>
    public required ImmutableArray<string> RelationNames { get; init; }

    /// <summary>For every entity the paths of its pictures in a stable order; empty where there is none.</summary>
    public required ImmutableArray<ImmutableArray<string>> Images { get; init; }

    /// <summary>Training triples in file order, duplicates kept.</summary>
    public required ImmutableArray<Triple> Train { get; init; }

    /// <summary>Validation triples in file order, duplicates kept.</summary>
    public required ImmutableArray<Triple> Validation { get; init; }

    /// <summary>Test triples in file order, duplicates kept.</summary>
    public required ImmutableArray<Triple> Test { get; init; }

    /// <summary>What a user should know of how the folder was read, one line each: where texts come from, what was drawn or dropped.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];

    /// <summary>The same graph with other splits.</summary>
    internal KnowledgeGraph With(ImmutableArray<Triple> train, ImmutableArray<Triple> validation, ImmutableArray<Triple> test, IEnumerable<string> notes) => new()
    {
        Path = Path,
        Layout = Layout,
        Entities = Entities,
        Relations = Relations,
        EntityList = EntityList,
        GivenNames = GivenNames,
        Descriptions = Descriptions,
        RelationNames = RelationNames,
        Images = Images,
        Train = train,
        Validation = validation,
        Test = test,
        Notes = [.. Notes, .. notes],
    };

    /// <summary>The triples of a split.</summary>
    public ImmutableArray<Triple> TriplesOf(Split split) => split switch
    {
        Split.Train => Train,
        Split.Validation => Validation,
        _ => Test,
    };
}
