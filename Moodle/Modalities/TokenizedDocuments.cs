using System.Collections.Immutable;

namespace Moodle.Modalities;

/// <summary>Every entity's document as token ids; an entity without text has an empty one.</summary>
public sealed class TokenizedDocuments
{
    private readonly int[][] _documents;

    /// <summary>Tokenizes documents and cuts them at a limit.</summary>
    /// <param name="documents">One for each entity.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="maxTokens">The limit.</param>
    public TokenizedDocuments(ImmutableArray<string> documents, WordPieceTokenizer tokenizer, int maxTokens)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        VocabularySize = tokenizer.Count;
        _documents = new int[documents.Length][];
        Parallel.For(0, documents.Length, entity => _documents[entity] = tokenizer.Encode(documents[entity], maxTokens));
    }

    /// <summary>The number of different token ids.</summary>
    public int VocabularySize { get; }

    /// <summary>The number of documents.</summary>
    public int Count => _documents.Length;

    /// <summary>The token ids of an entity's document.</summary>
    public ReadOnlySpan<int> this[int entity] => _documents[entity];
}
