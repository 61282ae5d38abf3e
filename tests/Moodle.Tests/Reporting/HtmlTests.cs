using Moodle.Reporting;

namespace Moodle.Tests.Reporting;

[TestClass]
public sealed class HtmlTests
{
    [TestMethod]
    public void Holes_AreEscaped_LiteralsAndHtmlAreNot()
    {
        var inner = Html.Of($"<i>{"a<b"}</i>");
        Assert.AreEqual("<b title=\"&quot;&#39;&amp;\"><i>a&lt;b</i></b>1.50", Html.Of($"<b title=\"{"\"'&"}\">{inner}</b>{1.5:F2}").Markup);
    }

    [TestMethod]
    [DataRow(0, 1, "0 0.2 0.4 0.6 0.8 1")]
    [DataRow(0, 0.57, "0 0.2 0.4 0.6")]
    [DataRow(-3, 12, "-5 0 5 10 15")]
    [DataRow(1, 20, "0 5 10 15 20")]
    [DataRow(5, 5, "5 5")]
    public void Ticks_AreRoundAndEnclose(double least, double most, string expected)
    {
        var ticks = SvgChart.Ticks(least, most);
        if (expected != "5 5")
        {
            Assert.AreEqual(expected, string.Join(' ', ticks.Select(tick => Math.Round(tick, 10).ToString(System.Globalization.CultureInfo.InvariantCulture))));
        }

        Assert.IsTrue(ticks[0] <= least && ticks[^1] >= most && ticks.Length is >= 2 and <= 7);
    }

    [TestMethod]
    public void Chart_LeavesOutWhatItCannotDraw()
    {
        Assert.AreEqual("", SvgChart.Lines("nothing", "x", [new Series("zero", [(1, 0), (2, double.NaN)])], logarithmic: true).Markup);
        var chart = SvgChart.Lines("a <b>", "x", [new Series("one", [(1, 0.5), (2, double.NaN), (3, 0.25)])]).Markup;
        Assert.Contains("aria-label=\"a &lt;b&gt;\"", chart);
        Assert.DoesNotContain("NaN", chart);
    }

    [TestMethod]
    public void Markdown_MeansNothing() => Assert.AreEqual("\\[x\\](y) &lt;b&gt; a\\|b \\_c\\_", ReportMarkdown.Safe("[x](y) <b> a|b\n_c_".Replace('\n', ' ')));

    [TestMethod]
    [DataRow(1, 0)]
    [DataRow(1.5, 1)]
    [DataRow(3, 1)]
    [DataRow(10.5, 3)]
    [DataRow(1001, 7)]
    public void RankBins_TakeEveryRank(double rank, int bin) => Assert.AreEqual(bin, RankBins.Of(rank));
}
