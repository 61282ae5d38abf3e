using System.Globalization;
using Moodle.Evaluation;

namespace Moodle.Reporting;

/// <summary>Pieces of tables that all pages share.</summary>
internal static class Tables
{
    /// <summary>What stands where a figure is not defined.</summary>
    public const string Undefined = "–";

    /// <summary>A number in words: the same in HTML and Markdown.</summary>
    public static string Text(double? value, string format) =>
        value is { } number && double.IsFinite(number) ? number.ToString(format, CultureInfo.InvariantCulture) : Undefined;

    /// <summary>A cell with a number that stands in <c>results.json</c> as well.</summary>
    /// <param name="value">The number.</param>
    /// <param name="format">How it is written.</param>
    /// <param name="keys">The way to it in the JSON.</param>
    public static Html Cell(double? value, string format, params IEnumerable<object> keys) =>
        Html.Of($"<td class=\"n\" data-key=\"{ReportJson.Pointer(keys)}\" data-format=\"{format}\">{Text(value, format)}</td>");

    /// <summary>A cell with a number and, below it, its interval where there is one; both stand in <c>results.json</c> as well.</summary>
    /// <param name="value">The number.</param>
    /// <param name="interval">Its interval.</param>
    /// <param name="format">How they are written.</param>
    /// <param name="place">The way to the number in the JSON.</param>
    /// <param name="ends">The way to its interval.</param>
    public static Html Cell(double value, Interval? interval, string format, IReadOnlyList<object> place, IReadOnlyList<object> ends) => interval is { } of
        ? Html.Of($"<td class=\"n\">{Figure(value, format, place)} <small>{Figure(of.Low, format, [.. ends, 0])} to {Figure(of.High, format, [.. ends, 1])}</small></td>")
        : Cell(value, format, place);

    /// <summary>A number within a text that stands in <c>results.json</c> as well.</summary>
    public static Html Figure(double? value, string format, params IEnumerable<object> keys) =>
        Html.Of($"<span data-key=\"{ReportJson.Pointer(keys)}\" data-format=\"{format}\">{Text(value, format)}</span>");

    /// <summary>The beginning of a table that scrolls within itself, up to its body.</summary>
    /// <param name="caption">What it shows.</param>
    /// <param name="sortable">Whether a click on a heading sorts it.</param>
    /// <param name="id">Its id in the page; empty for none.</param>
    /// <param name="columns">The headings.</param>
    public static Html Open(string caption, bool sortable, string id, params IEnumerable<string> columns)
    {
        var html = new HtmlBuilder();
        html.Add($"<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\"><table{new Html(id.Length > 0 ? $" id=\"{id}\"" : "")}{new Html(sortable ? " class=\"sortable\"" : "")}><caption><span>{caption}</span></caption><thead><tr>");
        foreach (var column in columns)
        {
            // A key of the configuration may be broken at its dots.
            var text = Html.Join(column.Split('.').Select((word, i) => i == 0 ? Html.Of($"{word}") : Html.Of($".<wbr>{word}")));
            var heading = sortable ? Html.Of($"<button type=\"button\">{text}</button>") : text;
            html.Add($"<th scope=\"col\">{heading}</th>");
        }

        return html.Add($"</tr></thead><tbody>").ToHtml();
    }

    /// <summary>The end of a table.</summary>
    public static readonly Html Close = new("</tbody></table></div>");
}
