using Moodle.Modalities;

namespace Moodle.Tests.Modalities;

[TestClass]
public sealed class WordPieceTrainerTests
{
    private static readonly string[] Texts =
    [
        "Paris is the capital of France.", "France borders Spain, Italy and Germany.", "the capital of Italy: Rome (Roma)",
        "Spain's capital -- Madrid", "Québec, Québec; São Paulo", "1 234 km, 50% & more! aaaa aaaaaa aa", "bordering borders border",
    ];

    [TestMethod]
    public void TheSameTexts_GiveTheSameVocabulary_WhateverTheirOrder()
    {
        var vocabulary = WordPieceTrainer.Learn(Texts, 200);
        CollectionAssert.AreEqual(vocabulary, WordPieceTrainer.Learn(Texts, 200));
        CollectionAssert.AreEqual(vocabulary, WordPieceTrainer.Learn(Texts.Reverse(), 200));
    }

    [TestMethod]
    public void TheVocabulary_StartsWithTheSpecialPieces_AndHasNoneTwice()
    {
        var vocabulary = WordPieceTrainer.Learn(Texts, 200);
        CollectionAssert.AreEqual(WordPieceTrainer.Special, vocabulary[..WordPieceTrainer.Special.Length]);
        CollectionAssert.AllItemsAreUnique(vocabulary);
    }

    [TestMethod]
    public void ASmallerVocabulary_IsTheStartOfALargerOne()
    {
        var large = WordPieceTrainer.Learn(Texts, 1000);
        Assert.IsGreaterThan(88, large.Length);
        for (var size = 80; size < large.Length; size++)
        {
            var small = WordPieceTrainer.Learn(Texts, size);
            Assert.HasCount(size, small);
            CollectionAssert.AreEqual(large[..size], small);
        }
    }

    [TestMethod]
    [DataRow(80)]
    [DataRow(100)]
    [DataRow(1000)]
    public void EveryTrainingWord_IsTokenizedWithoutTheUnknownPiece(int size)
    {
        var tokenizer = new WordPieceTokenizer(WordPieceTrainer.Learn(Texts, size));
        var unknown = tokenizer.Pieces.IndexOf("[UNK]");
        foreach (var word in Texts.SelectMany(WordPieceTrainer.Words))
        {
            var ids = tokenizer.Encode(word, 100);
            Assert.DoesNotContain(unknown, ids, word);
            Assert.AreEqual(word, string.Concat(ids.Select((id, i) => i == 0 ? tokenizer.Pieces[id] : tokenizer.Pieces[id][2..])));
        }
    }

    [TestMethod]
    public void Merges_AreThoseOfCountingAllPairsAnewEachTime()
    {
        for (var seed = 0; seed < 40; seed++)
        {
            var random = new Random(seed);
            // Few letters and short words, so that words overlap themselves and each other.
            string[] texts = [.. Enumerable.Range(0, 15).Select(_ => string.Join(' ', Enumerable.Range(0, 4).Select(_ =>
                new string([.. Enumerable.Range(0, 1 + random.Next(7)).Select(_ => (char)('a' + random.Next(3)))]))))];
            CollectionAssert.AreEqual(Naive(texts, 60), WordPieceTrainer.Learn(texts, 60).ToArray(), $"seed {seed}");
        }
    }

    [TestMethod]
    public void FrequentWords_BecomeOnePiece_AndPairsSeenOnceNone()
    {
        var vocabulary = WordPieceTrainer.Learn(["river river river", "xyz"], 1000);
        Assert.Contains("river", vocabulary);
        Assert.DoesNotContain("xy", vocabulary);
        Assert.DoesNotContain("##yz", vocabulary);
    }

    [TestMethod]
    public void MoreCharactersThanRoom_KeepTheCommonOnes()
    {
        var rare = string.Join(' ', Enumerable.Range(0x4e00, 500).Select(code => (char)code));
        var vocabulary = WordPieceTrainer.Learn([rare, "river river"], 300);
        Assert.HasCount(300, vocabulary);
        var tokenizer = new WordPieceTokenizer(vocabulary);
        CollectionAssert.AreEqual(vocabulary, WordPieceTrainer.Learn(["river river", rare], 300));
        Assert.DoesNotContain(1, tokenizer.Encode("river", 10));
    }

    [TestMethod]
    public void NoTexts_GiveTheSpecialPiecesAlone() => CollectionAssert.AreEqual(WordPieceTrainer.Special, WordPieceTrainer.Learn(["", "  "], 300));

    private static string[] Naive(string[] texts, int size)
    {
        var words = texts.SelectMany(text => text.Split(' ')).GroupBy(word => word).OrderBy(group => group.Key, StringComparer.Ordinal)
            .Select(group => (Parts: group.Key.Select((letter, i) => i == 0 ? $"{letter}" : $"##{letter}").ToList(), Count: group.Count())).ToArray();
        var pieces = new List<string>(WordPieceTrainer.Special);
        foreach (var part in words.SelectMany(word => word.Parts).Where(part => !pieces.Contains(part)))
        {
            pieces.Add(part);
        }

        while (pieces.Count < size)
        {
            var best = words.SelectMany(word => word.Parts.Zip(word.Parts.Skip(1), (a, b) => (Pair: (a, b), word.Count)))
                .GroupBy(entry => entry.Pair, entry => entry.Count)
                .OrderByDescending(group => group.Sum()).ThenBy(group => pieces.IndexOf(group.Key.a)).ThenBy(group => pieces.IndexOf(group.Key.b))
                .FirstOrDefault();
            if (best is null || best.Sum() < 2)
            {
                break;
            }

            var merged = best.Key.a + best.Key.b[2..];
            if (!pieces.Contains(merged))
            {
                pieces.Add(merged);
            }

            foreach (var (parts, _) in words)
            {
                for (var i = 0; i + 1 < parts.Count; i++)
                {
                    if ((parts[i], parts[i + 1]) == best.Key)
                    {
                        parts[i] = merged;
                        parts.RemoveAt(i + 1);
                    }
                }
            }
        }

        return [.. pieces];
    }
}
