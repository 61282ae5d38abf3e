using System.Collections.Immutable;
using Moodle.Evaluation;

namespace Moodle.Reporting;

/// <summary>The test results, and what others published.</summary>
internal static class ResultSection
{
    /// <summary>The figures of a row of results: headings, keys in JSON, how they are written, and where they stand.</summary>
    public static readonly ImmutableArray<ResultFigure> Figures =
    [
        new("MRR", "mrr", "F4", metrics => metrics.Mrr, intervals => intervals.Mrr),
        new("MR", "mr", "F1", metrics => metrics.Mr, intervals => intervals.Mr),
        new("Hits@1", "hits_at_1", "F4", metrics => metrics.HitsAt1, intervals => intervals.HitsAt1),
        new("Hits@3", "hits_at_3", "F4", metrics => metrics.HitsAt3, intervals => intervals.HitsAt3),
        new("Hits@5", "hits_at_5", "F4", metrics => metrics.HitsAt5, intervals => intervals.HitsAt5),
        new("Hits@10", "hits_at_10", "F4", metrics => metrics.HitsAt10, intervals => intervals.HitsAt10),
        new("AMRI", "amri", "F4", metrics => metrics.Amri, intervals => intervals.Amri),
    ];

    /// <summary>The section.</summary>
    public static Html Write(RunReport report)
    {
        var html = new HtmlBuilder();
        html.Add($"<section id=\"results\"><h2>Results</h2><p>{Summary(report)}</p>");
        html.Add($"{Tables.Open("Test results of every branch", false, "result-table", ["branch", "side", .. Figures.Select(figure => figure.Heading)])}");
        foreach (var branch in report.Evaluation.Branches)
        {
            foreach (var (side, metrics, intervals) in Sides(branch))
            {
                html.Add($"<tr class=\"{side}\"><th scope=\"row\">{branch.Branch}</th><td>{side}</td>{Row(["branches", branch.Branch], side, metrics, intervals)}</tr>");
            }
        }

        html.Add($"{Tables.Close}");
        if (!report.Published.IsEmpty)
        {
            html.Add($"<h3>Published for the same triples</h3><p>Read the last column before you compare: a rule for ties alone can move MRR by more than models differ.</p>");
            html.Add($"{Tables.Open("Published figures", true, "", "model", "uses", "MRR", "Hits@1", "Hits@3", "Hits@10", "source", "comparable")}");
            foreach (var (result, i) in report.Published.Select((result, i) => (result, i)))
            {
                html.Add($"<tr><th scope=\"row\">{result.Model}</th><td>{result.Uses}</td>{Tables.Cell(result.Mrr, "F3", "published", i, "mrr")}{Tables.Cell(result.HitsAt1, "F3", "published", i, "hits_at_1")}{Tables.Cell(result.HitsAt3, "F3", "published", i, "hits_at_3")}{Tables.Cell(result.HitsAt10, "F3", "published", i, "hits_at_10")}<td>{result.Source}</td><td>{result.Comparable}</td></tr>");
            }

            html.Add($"{Tables.Close}");
        }

        html.Add($"<h3>How ranks spread</h3><figure>{RankChart(report)}<figcaption>Share of all test queries whose right answer has a rank of each class.</figcaption></figure>");
        html.Add($"<details><summary>The counts</summary>{Tables.Open("Queries by rank", false, "", ["branch", .. RankBins.Names])}");
        foreach (var branch in report.Distributions)
        {
            html.Add($"<tr><th scope=\"row\">{branch.Branch}</th>{Html.Join(branch.Counts.Select((count, bin) => Tables.Cell(count, "F0", "ranks_by_class", branch.Branch, RankBins.Names[bin])))}</tr>");
        }

        return html.Add($"{Tables.Close}</details></section>").ToHtml();
    }

    /// <summary>The three sides of a branch, under their names in JSON.</summary>
    public static IEnumerable<(string Side, Metrics Metrics, MetricIntervals? Intervals)> Sides(BranchReport branch) =>
    [
        ("both", branch.Realistic.Both, branch.Intervals?.Both), ("head", branch.Realistic.Head, branch.Intervals?.Head), ("tail", branch.Realistic.Tail, branch.Intervals?.Tail),
    ];

    /// <summary>How it was measured, in a sentence.</summary>
    public static string Protocol(RunReport report) => FormattableString.Invariant(
        $"{report.Evaluation.RankedTriples:N0} test triples asked from both sides against all {report.Evaluation.Entities:N0} entities; ranks filtered by all splits, ties at their mean.");

    /// <summary>The same with what the intervals are.</summary>
    public static string Summary(RunReport report) => report.Evaluation.BootstrapSamples == 0 ? Protocol(report) : Protocol(report) + FormattableString.Invariant(
        $" Below each figure its 95 % interval: bootstrap over the triples of this run, {report.Evaluation.BootstrapSamples:N0} samples; it says nothing about other seeds.");

    /// <summary>The cells of a side of a branch.</summary>
    /// <param name="branch">The way to the branch in the JSON.</param>
    /// <param name="side">The side.</param>
    /// <param name="metrics">Its figures.</param>
    /// <param name="intervals">Their intervals.</param>
    public static Html Row(IReadOnlyList<object> branch, string side, Metrics metrics, MetricIntervals? intervals) => Html.Join(Figures.Select(figure =>
        Tables.Cell(figure.Value(metrics), intervals is null ? null : figure.Interval(intervals), figure.Format, [.. branch, side, figure.Key], [.. branch, "intervals", side, figure.Key])));

    private static Html RankChart(RunReport report) => SvgChart.Bars("Share of test queries by rank of the right answer, for each branch", RankBins.Names,
        [.. report.Distributions.Select(branch => (branch.Branch, branch.Counts.Select(count => count / (double)Math.Max(1, branch.Counts.Sum())).ToImmutableArray()))]);
}

/// <summary>A figure of the results.</summary>
/// <param name="Heading">Its heading.</param>
/// <param name="Key">Its key in JSON.</param>
/// <param name="Format">How it is written.</param>
/// <param name="Value">Finds it.</param>
/// <param name="Interval">Finds its interval.</param>
internal sealed record ResultFigure(string Heading, string Key, string Format, Func<Metrics, double> Value, Func<MetricIntervals, Interval> Interval);
