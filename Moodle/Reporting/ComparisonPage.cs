using Moodle.Graphs;

namespace Moodle.Reporting;

/// <summary>Several runs side by side, as HTML.</summary>
internal static class ComparisonPage
{
    /// <summary>How a difference is written.</summary>
    public const string Signed = "+0.0000;-0.0000;0.0000";

    /// <summary>The page.</summary>
    public static string Write(RunComparison comparison)
    {
        var body = new HtmlBuilder().Add($"{Runs(comparison)}{Results(comparison)}{Ablation(comparison)}{Relations(comparison)}");
        return ReportPage.Frame($"{comparison.Runs.Length} runs on {comparison.Runs[0].Report.Head.DataSet}",
            [("runs", "Runs"), ("results", "Results"), ("ablation", "Differences"), ("relations", "Relations")], body.ToHtml(), new Html(""), explorer: false);
    }

    /// <summary>What the differences are.</summary>
    public static string Explain(RunComparison comparison) => FormattableString.Invariant(
        $"Against {comparison.Runs[0].Name}: paired bootstrap over the test triples, {RunComparison.Samples:N0} samples. It says how sure a difference is on these triples; another seed of training is another matter.");

    /// <summary>Headings of the table of differences.</summary>
    public static string[] AblationColumns(RunComparison comparison) =>
        ["run", "MRR", $"difference from {comparison.Runs[0].Name}", "95 %", "p", .. comparison.Keys.Select(key => key.Key)];

    private static Html Runs(RunComparison comparison)
    {
        var head = comparison.Runs[0].Report.Head;
        var html = new HtmlBuilder();
        html.Add($"<section id=\"runs\"><h2>Runs</h2><p>{head.DataSet}: {head.Entities:N0} entities, {head.Relations:N0} relations, {head.Test:N0} test triples.</p>");
        html.Add($"{HeadSection.Warnings(comparison.Runs.SelectMany(run => run.Report.Head.Warnings).Distinct())}");
        html.Add($"{Tables.Open("What was trained", true, "run-table", "run", "seed", "device", "training, s", "began", "program")}");
        foreach (var (run, r) in comparison.Runs.Select((run, r) => (run, r)))
        {
            var of = run.Report.Head;
            html.Add($"<tr><th scope=\"row\">{run.Name}</th>{Tables.Cell(of.Seed, "F0", "runs", r, "run", "seed")}<td>{HeadSection.DeviceOf(of)}</td>{Tables.Cell(of.TrainingSeconds, "F0", "runs", r, "run", "training_seconds")}<td>{of.Started ?? Tables.Undefined}</td><td>{of.TrainedBy ?? Tables.Undefined}</td></tr>");
        }

        html.Add($"{Tables.Close}<details><summary>The commands that train them again</summary>");
        foreach (var run in comparison.Runs)
        {
            html.Add($"<h3>{run.Name}</h3><pre tabindex=\"0\">{run.Report.Head.Reproduce}</pre>");
        }

        return html.Add($"</details></section>").ToHtml();
    }

    private static Html Results(RunComparison comparison)
    {
        var html = new HtmlBuilder();
        html.Add($"<section id=\"results\"><h2>Results</h2><p>{ResultSection.Summary(comparison.Runs[0].Report)}</p>");
        html.Add($"{Tables.Open("Test results of every run and branch, both sides", true, "result-table", ["run", "branch", .. ResultSection.Figures.Select(figure => figure.Heading)])}");
        foreach (var (run, r) in comparison.Runs.Select((run, r) => (run, r)))
        {
            foreach (var branch in run.Report.Evaluation.Branches)
            {
                html.Add($"<tr><th scope=\"row\">{run.Name}</th><td>{branch.Branch}</td>{ResultSection.Row(["runs", r, "branches", branch.Branch], "both", branch.Realistic.Both, branch.Intervals?.Both)}</tr>");
            }
        }

        return html.Add($"{Tables.Close}</section>").ToHtml();
    }

    private static Html Ablation(RunComparison comparison)
    {
        var html = new HtmlBuilder();
        var chart = SvgChart.Intervals($"Difference of MRR from {comparison.Runs[0].Name}, with 95 % intervals", "difference of MRR",
            [.. comparison.Runs.Skip(1).Select(run => (run.Name, run.Difference!.Value.Difference, run.Difference.Value.Interval.Low, run.Difference.Value.Interval.High))]);
        html.Add($"<section id=\"ablation\"><h2>Differences</h2><p>{Explain(comparison)}</p><figure>{chart}<figcaption>Difference of MRR from {comparison.Runs[0].Name}, with 95 % intervals; the upright line is no difference.</figcaption></figure>");
        html.Add($"{Tables.Open("What a run does to MRR, and the keys of its configuration that are not alike", true, "ablation-table", AblationColumns(comparison))}");
        foreach (var (run, r) in comparison.Runs.Select((run, r) => (run, r)))
        {
            object[] place = ["comparison", "differences", run.Name];
            var difference = run.Difference is { } d
                ? Html.Of($"{Tables.Cell(d.Difference, Signed, [.. place, "mrr"])}<td class=\"n\">{Tables.Figure(d.Interval.Low, Signed, [.. place, "interval", 0])} to {Tables.Figure(d.Interval.High, Signed, [.. place, "interval", 1])}</td>{Tables.Cell(d.P, "F4", [.. place, "p"])}")
                : Html.Join(Enumerable.Repeat(Html.Of($"<td class=\"n\">{Tables.Undefined}</td>"), 3));
            var values = Html.Join(comparison.Keys.Select(key => Html.Of($"<td{new Html(key.Values[r] == key.Values[0] ? "" : " class=\"changed\"")}>{key.Values[r]}</td>")));
            html.Add($"<tr><th scope=\"row\">{run.Name}</th>{Tables.Cell(run.Report.Model.Realistic.Both.Mrr, "F4", "runs", r, "branches", run.Report.Model.Branch, "both", "mrr")}{difference}{values}</tr>");
        }

        return html.Add($"{Tables.Close}</section>").ToHtml();
    }

    private static Html Relations(RunComparison comparison)
    {
        var first = comparison.Runs[0].Name;
        var html = new HtmlBuilder();
        html.Add($"<section id=\"relations\"><h2>Relations</h2>{RelationSection.Filters(comparison.Relations.Select(relation => relation.Category))}");
        html.Add($"{Tables.Open($"MRR by relation, and its difference from {first}", true, "relation-table", ["relation", "category", "queries", .. comparison.Runs.Select(run => run.Name), .. comparison.Runs.Skip(1).Select(run => $"{run.Name} − {first}")])}");
        foreach (var relation in comparison.Relations)
        {
            object[] place = ["comparison", "relations", relation.Relation];
            html.Add($"<tr>{RelationSection.Name(relation.Name, relation.Relation)}<td>{relation.Category.Name()}</td>{Tables.Cell(relation.Queries, "F0", [.. place, "queries"])}{Html.Join(relation.Mrr.Select((mrr, r) => Tables.Cell(mrr, "F4", [.. place, "mrr", comparison.Runs[r].Name])))}{Html.Join(relation.Mrr.Skip(1).Select((mrr, r) => Tables.Cell(mrr - relation.Mrr[0], Signed, [.. place, "difference", comparison.Runs[r + 1].Name])))}</tr>");
        }

        return html.Add($"{Tables.Close}</section>").ToHtml();
    }
}
