using Moodle.Evaluation;

namespace Moodle.Tests.Evaluation;

[TestClass]
public sealed class TieBandTests
{
    [TestMethod]
    public void Ends_AreTheOutermostFloatsWithinTheTolerance()
    {
        var random = new Random(41);
        for (var i = 0; i < 20_000; i++)
        {
            var gold = (float)((random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-8, 38)));
            var tolerance = 1e-5 + 1e-4 * Math.Abs((double)gold);
            var band = TieBand.Around(gold);
            Assert.IsTrue(band.Upper <= gold + tolerance && MathF.BitIncrement(band.Upper) > gold + tolerance, $"{gold:R}");
            Assert.IsTrue(band.Lower >= gold - tolerance && MathF.BitDecrement(band.Lower) < gold - tolerance, $"{gold:R}");
        }
    }

    [TestMethod]
    public void Counts_AreThoseOfAPlainLoop_AtEveryLength()
    {
        var random = new Random(42);
        var band = TieBand.Around(1);
        float[] values = [0, 1, 2, band.Lower, band.Upper, MathF.BitDecrement(band.Lower), MathF.BitIncrement(band.Upper), float.NaN, float.NegativeInfinity];
        for (var length = 0; length < 80; length++)
        {
            var scores = Enumerable.Range(0, length).Select(_ => values[random.Next(values.Length)]).ToArray();
            Assert.AreEqual((scores.Count(s => s < band.Lower), scores.Count(s => s <= band.Upper)), band.Count(scores));
        }
    }
}
