using System.Text;
using System.Text.Json.Nodes;
using Moodle.Evaluation;

namespace Moodle.Reporting;

/// <summary>Several runs side by side, as HTML, Markdown and JSON.</summary>
internal static class ComparisonPage
{
    private static readonly string[] s_figures = ["mrr", "mr", "hits_at_1", "hits_at_3", "hits_at_5", "hits_at_10", "amri"];
    private static readonly string[] s_figureNames = ["MRR", "MR", "Hits@1", "Hits@3", "Hits@5", "Hits@10", "AMRI"];

    /// <summary>The page.</summary>
    public static string Html(RunComparison comparison)
    {
        var body = new HtmlBuilder();
        body.Add($"<section id=\"results\"><h2>Results</h2><p>{ResultSection.Protocol(comparison.Runs[0].Report)}</p>{Tables.Open("Test results of every run and branch", true, "result-table", ["run", "branch", .. s_figureNames])}");
        foreach (var (run, r) in comparison.Runs.Select((run, r) => (run, r)))
        {
            foreach (var branch in run.Report.Evaluation.Branches)
            {
                body.Add($"<tr><th scope=\"row\">{run.Name}</th><td>{branch.Branch}</td>{Reporting.Html.Join(Values(branch.Realistic.Both).Zip(s_figures).Select(pair => Tables.Cell(pair.First, pair.Second == "mr" ? "F1" : "F4", "runs", r, "branches", branch.Branch, "both", pair.Second)))}</tr>");
            }
        }

        body.Add($"{Tables.Close}</section><section id=\"ablation\"><h2>Differences</h2><p>{Explain(comparison)}</p>{Tables.Open("What differs, and what it does to MRR", true, "ablation-table", AblationColumns(comparison))}");
        foreach (var (run, r) in comparison.Runs.Select((run, r) => (run, r)))
        {
            var values = Reporting.Html.Join(comparison.Keys.Select(key => Reporting.Html.Of($"<td>{key.Values[r]}</td>")));
            var difference = run.Difference is { } d
                ? Reporting.Html.Of($"{Tables.Cell(d.Difference, "+0.0000;-0.0000;0.0000", "comparison", "differences", run.Name, "mrr")}<td class=\"n\">{Tables.Figure(d.Interval.Low, "F4", "comparison", "differences", run.Name, "interval", 0)} to {Tables.Figure(d.Interval.High, "F4", "comparison", "differences", run.Name, "interval", 1)}</td>{Tables.Cell(d.P, "F4", "comparison", "differences", run.Name, "p")}")
                : Reporting.Html.Of($"<td class=\"n\">{Tables.Undefined}</td><td class=\"n\">{Tables.Undefined}</td><td class=\"n\">{Tables.Undefined}</td>");
            body.Add($"<tr><th scope=\"row\">{run.Name}</th>{values}{Tables.Cell(run.Report.Model.Realistic.Both.Mrr, "F4", "runs", r, "branches", run.Report.Model.Branch, "both", "mrr")}{difference}</tr>");
        }

        body.Add($"{Tables.Close}</section><section id=\"relations\"><h2>Relations</h2><p class=\"filters\"><label>Name <input type=\"search\" id=\"relation-filter\" autocomplete=\"off\"></label> <select id=\"category-filter\" hidden><option value=\"\"></option></select> <span id=\"relation-count\" role=\"status\"></span></p>");
        body.Add($"{Tables.Open("MRR by relation, and its difference from the first run", true, "relation-table", ["relation", "queries", .. comparison.Runs.Select(run => run.Name), .. comparison.Runs.Skip(1).Select(run => $"{run.Name} − {comparison.Runs[0].Name}")])}");
        foreach (var relation in comparison.Relations)
        {
            object[] place = ["comparison", "relations", relation.Relation];
            body.Add($"<tr><th scope=\"row\">{relation.Name}</th>{Tables.Cell(relation.Queries, "F0", [.. place, "queries"])}{Reporting.Html.Join(relation.Mrr.Select((mrr, r) => Tables.Cell(mrr, "F4", [.. place, "mrr", comparison.Runs[r].Name])))}{Reporting.Html.Join(relation.Mrr.Skip(1).Select((mrr, r) => Tables.Cell(mrr - relation.Mrr[0], "+0.0000;-0.0000;0.0000", [.. place, "difference", comparison.Runs[r + 1].Name])))}</tr>");
        }

        body.Add($"{Tables.Close}</section>");
        return ReportPage.Frame($"{comparison.Runs.Length} runs on {comparison.Runs[0].Report.Head.DataSet}",
            [("results", "Results"), ("ablation", "Differences"), ("relations", "Relations")], body.ToHtml(), new Html(""), explorer: false);
    }

    /// <summary>The same as Markdown.</summary>
    public static string Markdown(RunComparison comparison)
    {
        var text = new StringBuilder();
        text.Append($"# {comparison.Runs.Length} runs on {ReportMarkdown.Safe(comparison.Runs[0].Report.Head.DataSet)}\n\n");
        ReportMarkdown.Table(text, ["run", "branch", .. s_figureNames], comparison.Runs.SelectMany(run => run.Report.Evaluation.Branches.Select(branch => (IEnumerable<string>)
            [run.Name, branch.Branch, .. Values(branch.Realistic.Both).Zip(s_figures).Select(pair => Tables.Text(pair.First, pair.Second == "mr" ? "F1" : "F4"))])));
        text.Append("## Differences\n\n").Append(ReportMarkdown.Safe(Explain(comparison))).Append("\n\n");
        ReportMarkdown.Table(text, AblationColumns(comparison), comparison.Runs.Select((run, r) => (IEnumerable<string>)
            [run.Name, .. comparison.Keys.Select(key => key.Values[r]), Tables.Text(run.Report.Model.Realistic.Both.Mrr, "F4"), Tables.Text(run.Difference?.Difference, "+0.0000;-0.0000;0.0000"),
            run.Difference is { } d ? $"{Tables.Text(d.Interval.Low, "F4")} to {Tables.Text(d.Interval.High, "F4")}" : Tables.Undefined, Tables.Text(run.Difference?.P, "F4")]));
        text.Append("## MRR by relation\n\n");
        ReportMarkdown.Table(text, ["relation", "queries", .. comparison.Runs.Select(run => run.Name)], comparison.Relations.Select(relation => (IEnumerable<string>)
            [relation.Name, Tables.Text(relation.Queries, "F0"), .. relation.Mrr.Select(mrr => Tables.Text(mrr, "F4"))]));
        return text.ToString().TrimEnd('\n') + "\n";
    }

    /// <summary>
    /// The same as JSON: runs[], as reports of single runs are written, and comparison.{baseline, bootstrap_samples,
    /// differences.&lt;run&gt;.{mrr, interval, p}, keys.&lt;key&gt;.&lt;run&gt;, relations.&lt;label&gt;.{name, queries, mrr.&lt;run&gt;, difference.&lt;run&gt;}}.
    /// </summary>
    public static JsonObject Json(RunComparison comparison)
    {
        JsonObject ByRun<T>(IEnumerable<T> values, Func<T, JsonNode?> value, int skip = 0) =>
            new(comparison.Runs.Skip(skip).Zip(values, (run, of) => KeyValuePair.Create(run.Name, value(of))));
        return new JsonObject
        {
            ["runs"] = new JsonArray([.. comparison.Runs.Select(run => ReportJson.ToJson(run.Report))]),
            ["comparison"] = new JsonObject
            {
                ["baseline"] = comparison.Runs[0].Name,
                ["bootstrap_samples"] = RunComparison.Samples,
                ["differences"] = ByRun(comparison.Runs.Skip(1), run => new JsonObject
                {
                    ["mrr"] = run.Difference!.Value.Difference,
                    ["interval"] = new JsonArray(run.Difference.Value.Interval.Low, run.Difference.Value.Interval.High),
                    ["p"] = run.Difference.Value.P,
                }, skip: 1),
                ["keys"] = new JsonObject(comparison.Keys.Select(key => KeyValuePair.Create(key.Key, (JsonNode?)ByRun(key.Values, value => JsonValue.Create(value))))),
                ["relations"] = new JsonObject(comparison.Relations.Select(relation => KeyValuePair.Create(relation.Relation, (JsonNode?)new JsonObject
                {
                    ["name"] = relation.Name,
                    ["queries"] = relation.Queries,
                    ["mrr"] = ByRun(relation.Mrr, mrr => EvaluationJson.Number(mrr)),
                    ["difference"] = ByRun(relation.Mrr.Skip(1), mrr => EvaluationJson.Number(mrr - relation.Mrr[0]), skip: 1),
                }))),
            },
        };
    }

    private static string[] AblationColumns(RunComparison comparison) =>
        ["run", .. comparison.Keys.Select(key => key.Key), "MRR", $"difference from {comparison.Runs[0].Name}", "95 %", "p"];

    private static string Explain(RunComparison comparison) => FormattableString.Invariant(
        $"Against {comparison.Runs[0].Name}: paired bootstrap over the test triples, {RunComparison.Samples:N0} samples. It says how sure a difference is on these triples; another seed of training is another matter.");

    private static double[] Values(Metrics metrics) => [metrics.Mrr, metrics.Mr, metrics.HitsAt1, metrics.HitsAt3, metrics.HitsAt5, metrics.HitsAt10, metrics.Amri];
}
