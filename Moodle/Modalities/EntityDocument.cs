using System.Collections.Immutable;

namespace Moodle.Modalities;

/// <summary>What is written about an entity.</summary>
/// <param name="Text">Its name and, by configuration, its description.</param>
/// <param name="Facts">Its training triples in words, in the order in which they follow the text; empty where they are not asked for.</param>
public sealed record EntityDocument(string Text, ImmutableArray<DocumentFact> Facts)
{
    /// <summary>Stands between the parts of a document.</summary>
    public const string Separator = " . ";

    /// <summary>The whole document.</summary>
    public override string ToString() => string.Join(Separator, [Text, .. Facts.Select(fact => fact.Text)]);
}

/// <summary>A triple in words, without the entity whose document tells it.</summary>
/// <param name="Other">The triple's other entity.</param>
/// <param name="Text">The words, such as "is the capital of France".</param>
public readonly record struct DocumentFact(int Other, string Text);
