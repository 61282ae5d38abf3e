using System.Text;
using System.Text.Json.Nodes;
using Moodle.Evaluation;
using Moodle.Graphs;

namespace Moodle.Reporting;

/// <summary>Several runs side by side, as Markdown and JSON.</summary>
internal static class ComparisonFiles
{
    /// <summary>The tables of <see cref="ComparisonPage"/>.</summary>
    public static string Markdown(RunComparison comparison)
    {
        var text = new StringBuilder();
        text.Append($"# {comparison.Runs.Length} runs on {ReportMarkdown.Safe(comparison.Runs[0].Report.Head.DataSet)}\n\n{ReportMarkdown.Safe(ResultSection.Summary(comparison.Runs[0].Report))}\n\n");
        ReportMarkdown.Table(text, ["run", "branch", .. ResultSection.Figures.Select(figure => figure.Heading)], comparison.Runs.SelectMany(run => run.Report.Evaluation.Branches.Select(branch =>
            (IEnumerable<string>)[run.Name, branch.Branch, .. ReportMarkdown.Row(branch.Realistic.Both, branch.Intervals?.Both)])));
        text.Append("## Differences\n\n").Append(ReportMarkdown.Safe(ComparisonPage.Explain(comparison))).Append("\n\n");
        ReportMarkdown.Table(text, ComparisonPage.AblationColumns(comparison), comparison.Runs.Select((run, r) => (IEnumerable<string>)
            [run.Name, Tables.Text(run.Report.Model.Realistic.Both.Mrr, "F4"), Tables.Text(run.Difference?.Difference, ComparisonPage.Signed),
            run.Difference is { } d ? $"{Tables.Text(d.Interval.Low, ComparisonPage.Signed)} to {Tables.Text(d.Interval.High, ComparisonPage.Signed)}" : Tables.Undefined, Tables.Text(run.Difference?.P, "F4"),
            .. comparison.Keys.Select(key => key.Values[r])]));
        text.Append("## MRR by relation\n\n");
        ReportMarkdown.Table(text, ["relation", "category", "queries", .. comparison.Runs.Select(run => run.Name)], comparison.Relations.Select(relation => (IEnumerable<string>)
            [relation.Name, relation.Category.Name(), Tables.Text(relation.Queries, "F0"), .. relation.Mrr.Select(mrr => Tables.Text(mrr, "F4"))]));
        return text.ToString().TrimEnd('\n') + "\n";
    }

    /// <summary>
    /// All figures: runs[], as reports of single runs are written, and comparison.{baseline, bootstrap_samples,
    /// differences.&lt;run&gt;.{mrr, interval, p}, keys.&lt;key&gt;.&lt;run&gt;, relations.&lt;label&gt;.{name, category, queries, mrr.&lt;run&gt;, difference.&lt;run&gt;}}.
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
                    ["category"] = relation.Category.Name(),
                    ["queries"] = relation.Queries,
                    ["mrr"] = ByRun(relation.Mrr, mrr => EvaluationJson.Number(mrr)),
                    ["difference"] = ByRun(relation.Mrr.Skip(1), mrr => EvaluationJson.Number(mrr - relation.Mrr[0]), skip: 1),
                }))),
            },
        };
    }
}
