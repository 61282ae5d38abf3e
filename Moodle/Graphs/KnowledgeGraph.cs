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

    /// <summary>A readable name for every entity (its label where the data set has no name).</summary>
    public required ImmutableArray<string> EntityNames { get; init; }

    /// <summary>A description for every entity, null where there is none.</summary>
    public required ImmutableArray<string?> Descriptions { get; init; }

    /// <summary>A readable name for every relation (its label where the data set has no name).</summary>
    public required ImmutableArray<string> RelationNames { get; init; }

    /// <summary>For every entity the paths of its pictures in a stable order; empty where there is none.</summary>
    public required ImmutableArray<ImmutableArray<string>> Images { get; init; }

    /// <summary>Training triples in file order, duplicates kept.</summary>
    public required ImmutableArray<Triple> Train { get; init; }

    /// <summary>Validation triples in file order, duplicates kept.</summary>
    public required ImmutableArray<Triple> Validation { get; init; }

    /// <summary>Test triples in file order, duplicates kept.</summary>
    public required ImmutableArray<Triple> Test { get; init; }

    /// <summary>The triples of a split.</summary>
    public ImmutableArray<Triple> TriplesOf(Split split) => split switch
    {
        Split.Train => Train,
        Split.Validation => Validation,
        _ => Test,
    };
}
