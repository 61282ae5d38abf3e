using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Moodle.Modalities;

/// <summary>
/// Learns a word-piece vocabulary from texts: starting from characters, the most frequent neighbouring pair becomes a piece
/// until the vocabulary is full. Pieces inside a word carry the prefix <c>##</c>.
/// </summary>
public static class WordPieceTrainer
{
    /// <summary>Marks a piece that continues a word.</summary>
    public const string Continuation = "##";

    /// <summary>Special pieces at the start of every vocabulary.</summary>
    public static readonly ImmutableArray<string> Special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

    private const int RarestPair = 2;

    /// <summary>Learns a vocabulary of at most <paramref name="size"/> pieces; the same texts give the same vocabulary.</summary>
    public static ImmutableArray<string> Learn(IEnumerable<string> texts, int size)
    {
        ArgumentNullException.ThrowIfNull(texts);
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var word in texts.SelectMany(Words))
        {
            CollectionsMarshal.GetValueRefOrAddDefault(counts, word, out _)++;
        }

        var pieces = new Pieces();
        foreach (var special in Special)
        {
            pieces.Add(special);
        }

        var kept = CommonCharacters(counts, size - Special.Length);
        var words = new List<(List<int> Parts, int Count)>(counts.Count);
        foreach (var (word, count) in counts.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            if (Characters(word).All(kept.Contains))
            {
                words.Add(([.. Characters(word).Select(pieces.Add)], count));
            }
        }

        Merge(words, pieces, size);
        return pieces.ToImmutable();
    }

    // A word with a character too rare for the vocabulary stays unknown.
    private static HashSet<string> CommonCharacters(Dictionary<string, int> words, int limit)
    {
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var (word, count) in words)
        {
            foreach (var character in Characters(word))
            {
                CollectionsMarshal.GetValueRefOrAddDefault(counts, character, out _) += count;
            }
        }

        return [.. counts.OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key, StringComparer.Ordinal).Take(limit).Select(pair => pair.Key)];
    }

    private static IEnumerable<string> Characters(string word) =>
        word.EnumerateRunes().Select((rune, i) => i == 0 ? rune.ToString() : Continuation + rune);

    /// <summary>Splits a text into lower-case words and single punctuation marks, as the tokenizer does. Accents stay.</summary>
    internal static IEnumerable<string> Words(string text)
    {
        var word = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            var category = Rune.GetUnicodeCategory(rune);
            var breaks = Rune.IsWhiteSpace(rune) || Rune.IsControl(rune);
            var alone = IsPunctuation(rune, category);
            if ((breaks || alone) && word.Length > 0)
            {
                yield return word.ToString();
                word.Clear();
            }

            if (alone)
            {
                yield return rune.ToString();
            }
            else if (!breaks && category != UnicodeCategory.Format)
            {
                word.Append(Rune.ToLowerInvariant(rune));
            }
        }

        if (word.Length > 0)
        {
            yield return word.ToString();
        }
    }

    private static bool IsPunctuation(Rune rune, UnicodeCategory category) =>
        rune.IsAscii ? !Rune.IsLetterOrDigit(rune) && !Rune.IsWhiteSpace(rune) && !Rune.IsControl(rune)
        : category is >= UnicodeCategory.ConnectorPunctuation and <= UnicodeCategory.OtherPunctuation;

    private static void Merge(List<(List<int> Parts, int Count)> words, Pieces pieces, int size)
    {
        var pairCounts = new Dictionary<(int, int), long>();
        var pairWords = new Dictionary<(int, int), HashSet<int>>();
        var queue = new PriorityQueue<((int, int) Pair, long Count), (long, int, int)>();
        void Count((int, int) pair, int word, long change)
        {
            CollectionsMarshal.GetValueRefOrAddDefault(pairCounts, pair, out _) += change;
            (CollectionsMarshal.GetValueRefOrAddDefault(pairWords, pair, out _) ??= []).Add(word);
        }

        // The most frequent first; among equals the oldest pieces, so that the result does not depend on hashing.
        void Enqueue((int A, int B) pair) => queue.Enqueue((pair, pairCounts[pair]), (-pairCounts[pair], pair.A, pair.B));

        for (var w = 0; w < words.Count; w++)
        {
            for (var i = 1; i < words[w].Parts.Count; i++)
            {
                Count((words[w].Parts[i - 1], words[w].Parts[i]), w, words[w].Count);
            }
        }

        foreach (var pair in pairCounts.Keys)
        {
            Enqueue(pair);
        }

        var touched = new HashSet<(int, int)>();
        while (pieces.Count < size && queue.TryDequeue(out var best, out _))
        {
            var (pair, count) = best;
            if (pairCounts[pair] != count)
            {
                continue; // An outdated entry; the current one stands in the queue as well.
            }

            if (count < RarestPair)
            {
                break;
            }

            var merged = pieces.Add(pieces[pair.Item1] + pieces[pair.Item2][Continuation.Length..]);
            touched.Clear();
            foreach (var w in pairWords[pair])
            {
                var (parts, weight) = words[w];
                for (var i = 0; i + 1 < parts.Count; i++)
                {
                    if ((parts[i], parts[i + 1]) != pair)
                    {
                        continue;
                    }

                    void Recount((int, int) changed, long change)
                    {
                        Count(changed, w, change);
                        touched.Add(changed);
                    }

                    if (i > 0)
                    {
                        Recount((parts[i - 1], parts[i]), -weight);
                        Recount((parts[i - 1], merged), weight);
                    }

                    if (i + 2 < parts.Count)
                    {
                        Recount((parts[i + 1], parts[i + 2]), -weight);
                        Recount((merged, parts[i + 2]), weight);
                    }

                    parts[i] = merged;
                    parts.RemoveAt(i + 1);
                }
            }

            pairCounts[pair] = 0;
            touched.Remove(pair);
            foreach (var changed in touched)
            {
                Enqueue(changed);
            }
        }
    }

    private sealed class Pieces
    {
        private readonly List<string> _pieces = [];
        private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);

        public int Count => _pieces.Count;

        public string this[int id] => _pieces[id];

        public int Add(string piece)
        {
            ref var id = ref CollectionsMarshal.GetValueRefOrAddDefault(_ids, piece, out var known);
            if (!known)
            {
                id = _pieces.Count;
                _pieces.Add(piece);
            }

            return id;
        }

        public ImmutableArray<string> ToImmutable() => [.. _pieces];
    }
}
