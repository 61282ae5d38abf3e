using System.Globalization;
using Moodle.Evaluation;

namespace Moodle.Reporting;

/// <summary>Test queries with their best answers.</summary>
internal static class ExampleSection
{
    /// <summary>The section.</summary>
    public static Html Write(RunReport report)
    {
        string[] branches = [.. report.Evaluation.Branches.Select(branch => branch.Branch)];
        var html = new HtmlBuilder();
        html.Add($"<section id=\"examples\"><h2>Examples</h2><p>{report.Examples.Length} test queries: of the most frequent relations, where {branches[0]} gains or loses most against the best branch, and at random. A mark tells the right answer, and answers that are known from a split; they do not count in ranks.</p>");
        html.Add($"<p class=\"filters\"><label>Search names <input type=\"search\" id=\"example-filter\" autocomplete=\"off\"></label> <label>Show <select id=\"kind-filter\"><option value=\"\">all</option>{Html.Join(Enum.GetValues<ExampleKind>().Select(kind => Html.Of($"<option value=\"{ReportJson.NameOf(kind)}\">{Describe(kind)}</option>")))}</select></label> <span id=\"example-count\" role=\"status\"></span></p><div id=\"example-list\">");
        foreach (var (example, i) in report.Examples.Select((example, i) => (example, i)))
        {
            One(html, report, example, i, branches);
        }

        return html.Add($"</div></section>").ToHtml();
    }

    /// <summary>A class for the picture of each entity that is shown, so that a picture stands in the page once.</summary>
    public static Html Styles(RunReport report) => Html.Join(report.Thumbnails.Select(picture =>
        Html.Of($".p{picture.Key}{{background-image:url(data:image/webp;base64,{new Html(Convert.ToBase64String(picture.Value))})}}\n")));

    private static string Describe(ExampleKind kind) => kind switch
    {
        ExampleKind.Chosen => "frequent relations",
        ExampleKind.Win => "largest gains",
        ExampleKind.Loss => "largest losses",
        _ => "random",
    };

    private static void One(HtmlBuilder html, RunReport report, Example example, int index, string[] branches)
    {
        var result = example.Result;
        var (head, tail) = result.Asked == QuerySide.Tail ? (result.EntityName, "?") : ("?", result.EntityName);
        html.Add($"<details class=\"example\" data-kind=\"{ReportJson.NameOf(example.Kind)}\"{new Html(index < 3 ? " open" : "")}><summary>{Picture(report, example.GivenId)}<span class=\"question\">{head} — {result.RelationName} — {tail}</span> <span class=\"kind\">{Describe(example.Kind)}</span></summary>");
        var ranks = Html.Join(branches.Select((branch, b) => Html.Of($"{(b == 0 ? "" : ", ")}{branch} {Tables.Figure(example.Ranks[b], "0.#", "examples", index, "ranks", branch)}")));
        html.Add($"<p class=\"ranks\">Right answer: {Picture(report, example.GoldId)}<strong>{example.Gold}</strong>, filtered rank by {ranks}</p>");
        string[] parts = result.Answers.IsEmpty ? [] : [.. result.Answers[0].Shares.Select(part => part.Part)];
        html.Add($"{Tables.Open($"Best answers to {head}, {result.RelationName}, {tail}", false, "", ["", "answer", "score", "probability", .. parts, "mark"])}");
        foreach (var (answer, a) in result.Answers.Select((answer, a) => (answer, a)))
        {
            Html Cell(double value, string format, params object[] keys) => Tables.Cell(value, format, ["examples", index, "answers", a, .. keys]);
            var id = example.AnswerIds[a];
            var gold = id == example.GoldId;
            var mark = gold ? "right answer" : answer.KnownIn is { } split ? $"known: {EvaluationJson.NameOf(split)}" : "";
            html.Add($"<tr class=\"{(gold ? "gold" : answer.KnownIn is null ? "" : "known")}\">{Cell(answer.Rank, "F0", "rank")}<th scope=\"row\">{Picture(report, id)}{answer.Name}</th>{Cell(answer.Score, "F3", "score")}{Cell(answer.Probability, "F4", "probability")}{Html.Join(answer.Shares.Select(part => Cell(part.Score, "F2", "parts", part.Part)))}<td>{mark}</td></tr>");
        }

        html.Add($"{Tables.Close}</details>");
    }

    // Decoration: the name stands beside it.
    private static Html Picture(RunReport report, int entity) => report.Thumbnails.ContainsKey(entity)
        ? new Html(string.Create(CultureInfo.InvariantCulture, $"<span class=\"picture p{entity}\" aria-hidden=\"true\"></span>"))
        : new Html("");
}
