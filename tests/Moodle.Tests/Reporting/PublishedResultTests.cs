using Moodle.Reporting;

namespace Moodle.Tests.Reporting;

[TestClass]
public sealed class PublishedResultTests
{
    [TestMethod]
    [DataRow(14541, 272115, 17535, 20466, "IMF")]
    [DataRow(40943, 141442, 5000, 5000, "MoSE")]
    [DataRow(12842, 79222, 9904, 9902, "MoMoK")]
    [DataRow(15000, 34196, 4276, 4274, "MyGO")]
    [DataRow(15000, 21310, 2665, 2663, "MyGO")]
    public void KnownDataSets_HaveFigures(int entities, int train, int validation, int test, string model)
    {
        var results = PublishedResult.For((entities, train, validation, test));
        Assert.IsTrue(results.Any(result => result.Model == model));
        foreach (var result in results)
        {
            Assert.IsTrue(new[] { result.Mrr, result.HitsAt1, result.HitsAt3, result.HitsAt10 }.All(figure => figure is null or (> 0 and < 1)), result.Model);
            Assert.IsTrue(result.Mrr is not null || result.HitsAt1 is not null, result.Model);
            Assert.IsTrue(result.HitsAt1 is null || result.HitsAt10 is null || result.HitsAt1 <= result.HitsAt10, result.Model);
            Assert.IsNotEmpty(result.Source);
            Assert.IsTrue(result.Comparable.Split(':')[0] is "yes" or "partly" or "no", result.Model);
        }
    }

    [TestMethod]
    public void AnotherSplit_HasNone() => Assert.IsEmpty(PublishedResult.For((12842, 69319, 9903, 19806)));
}
