using System.Collections.Immutable;
using Moodle.Evaluation;
using Moodle.Graphs;

namespace Moodle.Tests.Evaluation;

[TestClass]
public sealed class BootstrapTests
{
    [TestMethod]
    public void TheSeedAlone_DecidesTheIntervals()
    {
        var ranks = RandomRanks(new Random(1), 200);
        var intervals = Bootstrap.IntervalsOf(ranks, 300, seed: 5);
        CollectionAssert.AreEqual(intervals.ToArray(), Bootstrap.IntervalsOf(ranks, 300, seed: 5).ToArray());
        CollectionAssert.AreNotEqual(intervals.ToArray(), Bootstrap.IntervalsOf(ranks, 300, seed: 6).ToArray());
    }

    [TestMethod]
    public void Intervals_HoldTheFigure_AndHaveTheWidthOfTheNormalApproximation()
    {
        var ranks = RandomRanks(new Random(2), 2000);
        var interval = Bootstrap.IntervalsOf(ranks, 2000)[0];
        // One value for each triple: the mean of its two sides.
        double[] values = [.. Enumerable.Range(0, 2000).Select(t => 0.5 / ranks[0, t, QuerySide.Head].Realistic + 0.5 / ranks[0, t, QuerySide.Tail].Realistic)];
        var mean = values.Average();
        var error = Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / values.Length / values.Length);
        Assert.AreEqual(mean - 1.96 * error, interval.Both.Mrr.Low, 0.15 * error);
        Assert.AreEqual(mean + 1.96 * error, interval.Both.Mrr.High, 0.15 * error);
        Assert.IsTrue(interval.Head.HitsAt10.Low > interval.Head.HitsAt1.High);
    }

    [TestMethod]
    public void Intervals_CoverTheTruth_AboutAsOftenAsTheySay()
    {
        // Ranks 1 to 10, each as likely: the true MRR is the tenth part of the tenth harmonic number.
        var truth = Enumerable.Range(1, 10).Average(rank => 1.0 / rank);
        var random = new Random(3);
        var covered = Enumerable.Range(0, 300).Count(trial =>
        {
            var interval = Bootstrap.IntervalsOf(RandomRanks(random, 100), 200, trial)[0].Both.Mrr;
            return interval.Low <= truth && truth <= interval.High;
        });
        Assert.IsTrue(covered is > 270 and < 297, $"{covered} of 300");
    }

    [TestMethod]
    public void EqualRanks_HaveIntervalsWithoutWidth()
    {
        var ranks = Ranks([.. Enumerable.Repeat((new Rank(2, 2, 9), new Rank(4, 4, 9)), 20)]);
        var interval = Bootstrap.IntervalsOf(ranks, 50)[0];
        Assert.AreEqual(new Interval(0.5, 0.5), interval.Tail.Mrr);
        Assert.AreEqual(new Interval(0.25, 0.25), interval.Head.Mrr);
        Assert.AreEqual(new Interval(0.375, 0.375), interval.Both.Mrr);
        Assert.AreEqual(new Interval(0.5, 0.5), interval.Both.HitsAt3);
        Assert.AreEqual(new Interval(0, 0), interval.Both.HitsAt1);
        Assert.AreEqual(new Interval(3, 3), interval.Both.Mr);
        Assert.AreEqual(new Interval(0.5, 0.5), interval.Both.Amri);
        Assert.AreEqual(new Interval(0.25, 0.25), interval.Head.Amri);
        Assert.IsTrue(double.IsNaN(Bootstrap.IntervalsOf(Ranks([(new Rank(1, 1, 1), new Rank(1, 1, 1))]), 50)[0].Both.Amri.Low), "nothing to be better than");
    }

    private static SplitRanks RandomRanks(Random random, int count)
    {
        Rank Draw() => random.Next(1, 11) is var rank ? new Rank(rank, rank, 20) : default;
        return Ranks([.. Enumerable.Range(0, count).Select(_ => (Draw(), Draw()))]);
    }

    private static SplitRanks Ranks(ImmutableArray<(Rank Tail, Rank Head)> ranks) => new(
        [.. ranks.Select((_, i) => new Triple(i, 0, i))], ["fusion"], [[.. ranks.SelectMany(rank => new[] { rank.Tail, rank.Head })]]);
}
