using System.Security.Cryptography;
using System.Text;

namespace Moodle.Reporting;

/// <summary>
/// The frame of a page: one file that needs nothing else. Its policy lets the browser run the program's own scripts alone, by their
/// hashes, and fetch nothing, so that even a name that slipped through unescaped could do no harm.
/// </summary>
internal static class ReportPage
{
    /// <summary>The page of a run.</summary>
    /// <param name="report">The report.</param>
    /// <param name="explorer">Whether the explorer serves it, with questions to the model.</param>
    public static string OfRun(RunReport report, bool explorer = false)
    {
        var body = new HtmlBuilder();
        if (explorer)
        {
            body.Add($"{ExplorerSection.Write()}");
        }

        body.Add($"{HeadSection.Write(report.Head)}{ResultSection.Write(report)}{HistorySection.Write(report.History)}{RelationSection.Write(report)}");
        body.Add($"{ContributionSection.Write(report)}{ExampleSection.Write(report)}");
        (string Id, string Name)[] sections =
        [
            .. explorer ? [("explore", "Ask the model")] : Array.Empty<(string, string)>(),
            ("run", "Run"), ("results", "Results"), ("training", "Training"), ("relations", "Relations"), ("modalities", "Modalities"), ("examples", "Examples"),
        ];
        return Frame($"{report.Head.Name} on {report.Head.DataSet}", sections, body.ToHtml(), ExampleSection.Styles(report), explorer);
    }

    /// <summary>A page around sections.</summary>
    /// <param name="title">Its title.</param>
    /// <param name="sections">Ids and names of its sections.</param>
    /// <param name="body">The sections.</param>
    /// <param name="styles">More style, with pictures.</param>
    /// <param name="explorer">Whether the page may ask the server that it comes from.</param>
    public static string Frame(string title, IEnumerable<(string Id, string Name)> sections, Html body, Html styles, bool explorer)
    {
        string[] scripts = explorer ? [Assets.Text("report.js"), Assets.Text("explore.js")] : [Assets.Text("report.js")];
        var hashes = string.Join(' ', scripts.Select(script => $"'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(script)))}'"));
        var policy = $"default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; script-src {hashes}; "
            + (explorer ? "img-src 'self' data:; connect-src 'self'" : "img-src data:");
        var navigation = Html.Join(sections.Select(section => Html.Of($"<a href=\"#{section.Id}\">{section.Name}</a> ")));
        return new HtmlBuilder()
            .Add($"<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">")
            .Add($"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"referrer\" content=\"no-referrer\"><title>{title} · Moodle</title>")
            .Add($"<link rel=\"icon\" href=\"data:,\"><style>{new Html(Assets.Text("report.css"))}{styles}</style></head><body>")
            .Add($"<a class=\"skip\" href=\"#main\">Skip to content</a><header><h1>{title}</h1><button type=\"button\" id=\"theme\">Light / dark</button><nav aria-label=\"Sections\">{navigation}</nav></header>")
            .Add($"<main id=\"main\">{body}</main><footer>Written by moodle {Runtime.ProgramVersion.Text}</footer>{Html.Join(scripts.Select(script => new Html($"<script>{script}</script>")))}</body></html>")
            .ToString();
    }
}
