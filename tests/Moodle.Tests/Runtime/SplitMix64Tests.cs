using Moodle.Runtime;

namespace Moodle.Tests.Runtime;

[TestClass]
public sealed class SplitMix64Tests
{
    [TestMethod]
    public void Sequence_IsThePublishedOne()
    {
        // The first outputs for seed 1234567, as published with the reference implementation.
        var random = new SplitMix64(1234567);
        CollectionAssert.AreEqual(
            new ulong[] { 6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821 },
            Enumerable.Range(0, 5).Select(_ => random.NextUInt64()).ToArray());
    }

    [TestMethod]
    public void State_ResumesExactly()
    {
        var random = new SplitMix64(7);
        random.NextDouble();
        var resumed = new SplitMix64(random.State);
        for (var i = 0; i < 10; i++)
        {
            Assert.AreEqual(random.NextInt(1000), resumed.NextInt(1000));
        }
    }

    [TestMethod]
    public void NextInt_IsUniform()
    {
        var random = new SplitMix64(1);
        var counts = new int[7];
        for (var i = 0; i < 70_000; i++)
        {
            counts[random.NextInt(7)]++;
        }
        // The standard deviation of each count is 93.
        Assert.IsTrue(counts.All(count => Math.Abs(count - 10_000) < 500), string.Join(' ', counts));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => random.NextInt(0));
    }

    [TestMethod]
    public void NextDouble_LiesInTheUnitInterval()
    {
        var random = new SplitMix64(2);
        var drawn = Enumerable.Range(0, 10_000).Select(_ => random.NextDouble()).ToArray();
        Assert.IsTrue(drawn.All(x => x is >= 0 and < 1));
        Assert.AreEqual(0.5, drawn.Average(), 0.02);
    }

    [TestMethod]
    public void Shuffle_IsAPermutationThatDependsOnTheStream()
    {
        var first = Enumerable.Range(0, 100).ToArray();
        var second = (int[])first.Clone();
        SplitMix64.ForStream(5, 0).Shuffle(first);
        SplitMix64.ForStream(5, 1).Shuffle(second);
        CollectionAssert.AreNotEqual(first, second);
        CollectionAssert.AreEqual(Enumerable.Range(0, 100).ToArray(), first.Order().ToArray());
    }
}
