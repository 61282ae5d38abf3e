using Moodle.Attention;

namespace Moodle.Tests.Attention;

[TestClass]
public sealed class PackedSequencesTests
{
    [TestMethod]
    public void OffsetsAndRuns_DescribeTheSequences()
    {
        for (var seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            int[] lengths = [.. Enumerable.Range(0, 1 + random.Next(20)).Select(_ => 1 + random.Next(4))];
            var packed = new PackedSequences(lengths);

            CollectionAssert.AreEqual(lengths, packed.Lengths);
            Assert.AreEqual((lengths.Length, lengths.Sum()), (packed.Count, packed.Tokens));
            Assert.HasCount(lengths.Length + 1, packed.Offsets);
            Assert.AreEqual((0, packed.Tokens), (packed.Offsets[0], packed.Offsets[^1]));
            for (var s = 0; s < lengths.Length; s++)
            {
                Assert.AreEqual(lengths[s], packed.Offsets[s + 1] - packed.Offsets[s]);
            }

            var runs = packed.Runs().ToArray();
            CollectionAssert.AreEqual(lengths, runs.SelectMany(run => Enumerable.Repeat(run.Length, run.Count)).ToArray());
            Assert.IsTrue(runs.Zip(runs.Skip(1)).All(pair => pair.First.Length != pair.Second.Length), "runs are as long as they can be");
        }
    }

    [TestMethod]
    [DataRow]
    [DataRow(3, 0, 2)]
    [DataRow(-1)]
    public void NothingAndEmptySequences_AreRefused(params int[] lengths) =>
        Assert.ThrowsExactly<ArgumentException>(() => new PackedSequences(lengths));

    [TestMethod]
    public void TooManyTokens_AreRefused() =>
        Assert.ThrowsExactly<OverflowException>(() => new PackedSequences([int.MaxValue, 1]));
}
