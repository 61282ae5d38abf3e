using Atlas;

namespace Moodle.Tests.Atlas;

/// <summary>The strokes that flags are drawn with.</summary>
[TestClass]
public sealed class DrawingTests
{
    private static readonly Dictionary<string, string> Emblems = new()
    {
        ["flagstaff"] = "rect -50 -10 100 20 $1",
        ["pair"] = "turn 90 flagstaff 0,0 100 $1 | disc 30 -30 10 $2",
    };

    [TestMethod]
    public void Bands_ShareTheFieldByWeight()
    {
        var flag = Draw("h #FF0000:1 white:2 #0000FF:1");
        Assert.AreEqual((255, 0, 0), Pixel(flag, 75, 10));
        Assert.AreEqual((255, 255, 255), Pixel(flag, 75, 30));
        Assert.AreEqual((255, 255, 255), Pixel(flag, 75, 70));
        Assert.AreEqual((0, 0, 255), Pixel(flag, 75, 80));
    }

    [TestMethod]
    public void Edges_BetweenPixels_AreMixed() =>
        Assert.AreEqual((128, 128, 128), Pixel(Draw("rect 0 0 10.5 100 black"), 10, 50));

    [TestMethod]
    public void Percent_IsAShareOfTheWidth() => Assert.AreEqual((0, 0, 0), Pixel(Draw("disc 50% 50 5 black"), 75, 50));

    [TestMethod]
    public void Ring_AndCrescent_LeaveOutTheirMiddle()
    {
        var flag = Draw("ring 40 50 30 10 black | crescent 110 50 30 10 25 90 #FF0000");
        Assert.AreEqual((255, 255, 255), Pixel(flag, 40, 50));
        Assert.AreEqual((0, 0, 0), Pixel(flag, 15, 50));
        Assert.AreEqual((255, 0, 0), Pixel(flag, 85, 50));
        Assert.AreEqual((255, 255, 255), Pixel(flag, 120, 50));
    }

    [TestMethod]
    public void Star_PointsUpAndTurnsClockwise()
    {
        Assert.AreEqual((0, 0, 0), Pixel(Draw("star 5 50 50 40 black"), 50, 15));
        Assert.AreEqual((255, 255, 255), Pixel(Draw("star 5 50 50 40 black"), 85, 50));
        Assert.AreEqual((0, 0, 0), Pixel(Draw("star 5 50 50 40 black 90"), 85, 50));
    }

    [TestMethod]
    public void Jack_HasItsCrossesInOrder()
    {
        var flag = Draw("jack 0 0 150 100");
        Assert.AreEqual((0xC8, 0x10, 0x2E), Pixel(flag, 75, 50));
        Assert.AreEqual((255, 255, 255), Pixel(flag, 75 + 14, 20));
        Assert.AreEqual((0x01, 0x21, 0x69), Pixel(flag, 50, 10));
    }

    [TestMethod]
    public void Emblems_NestTurnAndMirror()
    {
        var flag = Draw("use pair 50,50 40 black #FF0000");
        Assert.AreEqual((0, 0, 0), Pixel(flag, 50, 65));
        Assert.AreEqual((255, 255, 255), Pixel(flag, 65, 50));
        Assert.AreEqual((255, 0, 0), Pixel(flag, 62, 38));
        Assert.AreEqual((255, 0, 0), Pixel(Draw("mirror pair 50,50 40 black #FF0000"), 38, 38));
    }

    [TestMethod]
    public void Around_GoesClockwiseFromTheTop()
    {
        var flag = Draw("around 4 50,50 30 0 360 outward flagstaff 10 black");
        foreach (var (x, y) in new[] { (50, 20), (80, 50), (50, 80), (20, 50) })
        {
            Assert.AreEqual((0, 0, 0), Pixel(flag, x, y));
        }
    }

    [TestMethod]
    [DataRow("disc 1 2 3", "'disc 1 2 3': an argument is missing")]
    [DataRow("disc 1 2 x black", "'disc 1 2 x black': 'x' is no number")]
    [DataRow("disc 1 2 3 black 4", "'disc 1 2 3 black 4': '4' is one argument too many")]
    [DataRow("use lion 1,2 3", "there is no emblem 'lion'")]
    [DataRow("use pair 50,50 40 black", "no colour was given for $2")]
    public void Mistakes_AreNamed(string drawing, string expected) =>
        Assert.Contains(expected, Assert.ThrowsExactly<FormatException>(() => Draw(drawing)).Message);

    [TestMethod]
    public void Png_KeepsEveryPixel()
    {
        var flag = Draw("v #123456 white #FEDCBA | star 7 75 50 40 black");
        Assert.IsTrue(Raster.FromPng(flag.ToPng()).SamePixels(flag));
    }

    private static Raster Draw(string text)
    {
        var canvas = new Canvas(150, 100, 150, 100);
        new Drawing(canvas, 150, Emblems).Run(text);
        return canvas.Finish();
    }

    private static (int Red, int Green, int Blue) Pixel(Raster flag, int x, int y)
    {
        var at = (y * flag.Width + x) * 3;
        return (flag.Pixels[at], flag.Pixels[at + 1], flag.Pixels[at + 2]);
    }
}
