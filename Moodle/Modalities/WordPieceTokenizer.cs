using System.Collections.Immutable;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace Moodle.Modalities;

/// <summary>
/// A word-piece tokenizer over a vocabulary: greedy longest match within the words that <see cref="WordPieceTrainer"/> learns from.
/// </summary>
public sealed class WordPieceTokenizer
{
    private readonly BertTokenizer _tokenizer;

    /// <summary>Creates a tokenizer from pieces in the order of their ids, special pieces included.</summary>
    public WordPieceTokenizer(ImmutableArray<string> pieces)
    {
        Pieces = pieces;
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(string.Join('\n', pieces)));
        _tokenizer = BertTokenizer.Create(stream, new BertOptions
        {
            // Its own splitting joins words across line breaks and takes "_" for a letter; texts come split.
            ApplyBasicTokenization = false,
            LowerCaseBeforeTokenization = false,
            SplitOnSpecialTokens = false,
        });
    }

    /// <summary>The pieces; the position is the id.</summary>
    public ImmutableArray<string> Pieces { get; }

    /// <summary>The number of pieces.</summary>
    public int Count => Pieces.Length;

    /// <summary>Token ids of a text, at most <paramref name="maxTokens"/>, without special tokens; empty for a text without words.</summary>
    public int[] Encode(string text, int maxTokens)
    {
        var ids = _tokenizer.EncodeToIds(string.Join(' ', WordPieceTrainer.Words(text)), maxTokens, addSpecialTokens: false, out _, out _);
        return [.. ids];
    }
}
