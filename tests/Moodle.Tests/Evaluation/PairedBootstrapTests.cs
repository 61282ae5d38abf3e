using System.Collections.Immutable;
using Moodle.Evaluation;

namespace Moodle.Tests.Evaluation;

[TestClass]
public sealed class PairedBootstrapTests
{
    [TestMethod]
    public void Interval_IsThatOfTheNormalDistributionWhereThereAreManyTriples()
    {
        var random = new Random(5);
        ImmutableArray<double> from = [.. Enumerable.Range(0, 4000).Select(_ => random.NextDouble())];
        ImmutableArray<double> to = [.. from.Select(value => value + 0.01 + (0.2 * (random.NextDouble() - 0.5)))];
        var gains = from.Zip(to, (a, b) => b - a).ToArray();
        var mean = gains.Average();
        var error = Math.Sqrt(gains.Sum(gain => (gain - mean) * (gain - mean)) / gains.Length / gains.Length);
        var difference = PairedBootstrap.Compare(from, to, 4000);
        Assert.AreEqual(mean, difference.Difference, 1e-12);
        Assert.AreEqual(mean - (1.96 * error), difference.Interval.Low, 0.15 * error);
        Assert.AreEqual(mean + (1.96 * error), difference.Interval.High, 0.15 * error);
        Assert.AreEqual(2.0 / 4001, difference.P, 1e-12, "no sample falls below 0 at eleven standard errors");
        Assert.AreEqual(difference, PairedBootstrap.Compare(from, to, 4000), "the seed decides");
    }

    [TestMethod]
    public void TheSameRanks_AreNoDifference()
    {
        var same = PairedBootstrap.Compare([0.5, 1, 0.25], [0.5, 1, 0.25], 100);
        Assert.AreEqual(new MrrDifference(0, new Interval(0, 0), 1), same);
    }

    [TestMethod]
    public void OtherTriples_AreRefused() => Assert.ThrowsExactly<ArgumentException>(() => PairedBootstrap.Compare([0.5], [0.5, 1], 10));
}
