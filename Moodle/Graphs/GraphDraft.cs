using System.Collections.Immutable;

namespace Moodle.Graphs;

/// <summary>What a layout alone gives: the numbering and the triples. Texts and pictures are found in the same way for all layouts.</summary>
internal sealed record GraphDraft
{
    /// <summary>Entities, numbered.</summary>
    public required Numbering Entities { get; init; }

    /// <summary>Relations, numbered.</summary>
    public required Numbering Relations { get; init; }

    /// <summary>The file that lists the entities in the order of their ids; null where they are numbered as the triples name them.</summary>
    public string? EntityList { get; init; }

    /// <summary>Training triples.</summary>
    public required ImmutableArray<Triple> Train { get; init; }

    /// <summary>Validation triples.</summary>
    public required ImmutableArray<Triple> Validation { get; init; }

    /// <summary>Test triples.</summary>
    public required ImmutableArray<Triple> Test { get; init; }

    /// <summary>What a user should know of how it was read.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];
}
