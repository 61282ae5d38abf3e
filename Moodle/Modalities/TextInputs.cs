using System.Collections.Immutable;
using Moodle.Configuration;
using Moodle.Graphs;

namespace Moodle.Modalities;

/// <summary>Documents and the word pieces that are learned from them.</summary>
/// <param name="Pieces">The vocabulary.</param>
/// <param name="Tokens">The documents in its pieces.</param>
public sealed record TextInputs(ImmutableArray<string> Pieces, TokenizedDocuments Tokens)
{
    /// <summary>Learns the vocabulary and tokenizes.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="documents">Its entities' documents.</param>
    /// <param name="config">Sizes.</param>
    public static TextInputs Of(KnowledgeGraph graph, ImmutableArray<EntityDocument> documents, DocumentConfig config)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(config);
        // Facts repeat names and the few relations; each is heard once.
        var pieces = WordPieceTrainer.Learn([.. documents.Select(document => document.Text), .. config.Triples ? graph.RelationNames : []], config.VocabularySize);
        return new TextInputs(pieces, new TokenizedDocuments(documents, new WordPieceTokenizer(pieces), config.MaxTokens));
    }
}
