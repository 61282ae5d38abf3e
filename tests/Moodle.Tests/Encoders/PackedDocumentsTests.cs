using Moodle.Encoders;
using static TorchSharp.torch;

namespace Moodle.Tests.Encoders;

[TestClass]
public sealed class PackedDocumentsTests
{
    [TestMethod]
    [DataRow(0.0)]
    [DataRow(0.4)]
    [DataRow(0.999)]
    public void EachDocumentKeepsSomeOfItsTokens_InOrder(double dropout)
    {
        const int Longest = 7;
        using var scope = NewDisposeScope();
        manual_seed(4);
        // Tokens that tell of which document they are, and where in it.
        int[][] documents = [.. Enumerable.Range(0, 700).Select(i => Enumerable.Range(10 * i, 1 + (i % Longest)).ToArray())];
        var packed = new PackedDocuments(documents, dropout);

        var (ids, lengths, left) = (packed.Ids.data<int>().ToArray(), packed.Sequences.Lengths, new double[Longest + 1]);
        CollectionAssert.AreEqual(lengths.Order().ToArray(), lengths, "shortest first");
        CollectionAssert.AreEquivalent(Enumerable.Range(0, documents.Length).ToArray(), packed.Places.ToArray(), "each once");
        Assert.HasCount(lengths.Sum(), ids);
        for (var s = 0; s < lengths.Length; s++)
        {
            var (document, kept) = (documents[packed.Places[s]], ids[packed.Sequences.Offsets[s]..packed.Sequences.Offsets[s + 1]]);
            CollectionAssert.IsSubsetOf(kept, document);
            CollectionAssert.AreEqual(kept.Distinct().Order().ToArray(), kept, "in order, each once");
            left[document.Length] += kept.Length;
        }

        for (var length = 1; length <= Longest; length++)
        {
            // Each token stays with 1 - dropout; all do where none would, which is so for dropout to the power of the length.
            Assert.AreEqual(length * (1 - dropout + Math.Pow(dropout, length)), left[length] / 100, dropout == 0 ? 0 : 0.5, $"of {length} tokens");
        }
    }

    [TestMethod]
    public void TheSameSeed_LeavesOutTheSameTokens()
    {
        using var scope = NewDisposeScope();
        int[][] documents = [[1, 2, 3, 4, 5, 6, 7, 8], [9, 10, 11, 12, 13, 14, 15]];
        int[] Draw(long seed)
        {
            manual_seed(seed);
            return new PackedDocuments(documents, 0.5).Ids.data<int>().ToArray();
        }

        CollectionAssert.AreEqual(Draw(1), Draw(1));
        Assert.IsTrue(Enumerable.Range(2, 5).Any(seed => !Draw(seed).SequenceEqual(Draw(1))));
    }
}
