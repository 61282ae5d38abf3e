namespace Moodle.Reporting;

/// <summary>What ran, on what, and how to run it again.</summary>
internal static class HeadSection
{
    /// <summary>The section.</summary>
    public static Html Write(RunHead head)
    {
        var html = new HtmlBuilder();
        html.Add($"<section id=\"run\"><h2>Run</h2><dl>");
        foreach (var (name, text) in Facts(head))
        {
            html.Add($"<div><dt>{name}</dt><dd>{text}</dd></div>");
        }

        html.Add($"</dl><h3>What to know of the data</h3>");
        html.Add($"{Warnings(head.Warnings)}");
        html.Add($"<h3>Again</h3><p>Trains the same:</p><pre tabindex=\"0\">{head.Reproduce}</pre><p>Goes on with this run:</p><pre tabindex=\"0\">{head.Resume}</pre>");
        html.Add($"<details><summary>Configuration: {head.Changed.Length} keys are not at their default</summary>{Tables.Open("Keys that are not at their default", false, "", "key", "value", "default")}");
        foreach (var key in head.Changed)
        {
            html.Add($"<tr><th scope=\"row\">{key.Key}</th><td>{key.Value}</td><td>{key.Default}</td></tr>");
        }

        return html.Add($"{Tables.Close}</details></section>").ToHtml();
    }

    /// <summary>What the audit of the data found.</summary>
    public static Html Warnings(IEnumerable<string> warnings) => warnings.Any()
        ? Html.Of($"<ul>{Html.Join(warnings.Select(warning => Html.Of($"<li>{warning}</li>")))}</ul>")
        : Html.Of($"<p>The audit found nothing doubtful.</p>");

    /// <summary>What a run was trained on.</summary>
    public static string DeviceOf(RunHead head) => head.Device + (head.Threads is { } threads ? FormattableString.Invariant($", {threads} CPU threads") : "");

    /// <summary>Names and texts, in the order in which they are shown.</summary>
    public static IEnumerable<(string Name, string Text)> Facts(RunHead head)
    {
        yield return ("Data set", FormattableString.Invariant($"{head.DataSet} ({head.Layout} layout): {head.Entities:N0} entities, {head.Relations:N0} relations"));
        yield return ("Triples", FormattableString.Invariant($"{head.Train:N0} training, {head.Validation:N0} validation, {head.Test:N0} test"));
        yield return ("Seed", FormattableString.Invariant($"{head.Seed}"));
        yield return ("Device", DeviceOf(head));
        yield return ("Training time", FormattableString.Invariant($"{head.TrainingSeconds:N0} s in epochs, validation not counted") + (head.Started is null ? "" : $"; began {head.Started}"));
        yield return ("Program", head.TrainedBy is null ? $"report by {head.ReportedBy}" : head.TrainedBy == head.ReportedBy ? head.TrainedBy : $"trained by {head.TrainedBy}, report by {head.ReportedBy}");
    }
}
