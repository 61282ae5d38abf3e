using System.Collections.Immutable;

namespace Moodle.Modalities;

/// <summary>Every entity's document as token ids; an entity without text has an empty one.</summary>
public sealed class TokenizedDocuments
{
    private readonly Document[] _documents;

    /// <summary>Tokenizes documents and cuts them at a limit; of facts, only whole ones are kept.</summary>
    /// <param name="documents">One for each entity.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="maxTokens">The limit.</param>
    public TokenizedDocuments(ImmutableArray<EntityDocument> documents, WordPieceTokenizer tokenizer, int maxTokens)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        VocabularySize = tokenizer.Count;
        _documents = new Document[documents.Length];
        Parallel.For(0, documents.Length, entity => _documents[entity] = Tokenize(documents[entity], tokenizer, maxTokens));
        HaveFacts = Array.Exists(_documents, document => document.Facts.Length > 0);
    }

    /// <summary>The number of different token ids.</summary>
    public int VocabularySize { get; }

    /// <summary>Whether any document tells facts; otherwise <see cref="Without"/> takes nothing away.</summary>
    public bool HaveFacts { get; }

    /// <summary>The number of documents.</summary>
    public int Count => _documents.Length;

    /// <summary>The token ids of an entity's document.</summary>
    public ReadOnlySpan<int> this[int entity] => _documents[entity].Tokens;

    /// <summary>
    /// The token ids of an entity's document without the facts that it shares with some entities: an encoder that is asked for a fact in
    /// training must not read the answer.
    /// </summary>
    /// <param name="entity">The entity.</param>
    /// <param name="others">The entities that are asked for.</param>
    public int[] Without(int entity, IReadOnlySet<int> others)
    {
        ArgumentNullException.ThrowIfNull(others);
        var (tokens, facts) = _documents[entity];
        if (!Array.Exists(facts, fact => others.Contains(fact.Other)))
        {
            return tokens;
        }

        var kept = new List<int>(tokens.Length);
        kept.AddRange(tokens.AsSpan(0, facts[0].First));
        for (var i = 0; i < facts.Length; i++)
        {
            if (!others.Contains(facts[i].Other))
            {
                kept.AddRange(tokens.AsSpan(facts[i].First..(i + 1 < facts.Length ? facts[i + 1].First : tokens.Length)));
            }
        }

        // Never empty, as no sequence may be: where an entity has no words of its own, the separator of its first fact remains.
        return kept.Count > 0 ? [.. kept] : tokens[..1];
    }

    private static Document Tokenize(EntityDocument document, WordPieceTokenizer tokenizer, int maxTokens)
    {
        var tokens = new List<int>(tokenizer.Encode(document.Text, maxTokens));
        var facts = new List<(int Other, int First)>();
        foreach (var fact in document.Facts)
        {
            var words = tokenizer.Encode(EntityDocument.Separator + fact.Text, maxTokens);
            if (tokens.Count + words.Length > maxTokens)
            {
                break;
            }

            facts.Add((fact.Other, tokens.Count));
            tokens.AddRange(words);
        }

        return new Document([.. tokens], [.. facts]);
    }

    /// <summary>Facts begin at <c>First</c> and end where the next begins, or at the end.</summary>
    private readonly record struct Document(int[] Tokens, (int Other, int First)[] Facts);
}
