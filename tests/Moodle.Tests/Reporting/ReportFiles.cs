using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Moodle.Tests.Reporting;

/// <summary>Reads reports as their readers do.</summary>
internal static partial class ReportFiles
{
    /// <summary>Every number of a page that says where it stands in the JSON, with what it should be.</summary>
    public static IEnumerable<(string Pointer, string Shown, string Expected)> Numbers(string html, JsonNode json)
    {
        foreach (Match match in NumberPattern().Matches(html))
        {
            var pointer = WebUtility.HtmlDecode(match.Groups["key"].Value);
            yield return (pointer, WebUtility.HtmlDecode(match.Groups["text"].Value), At(json, pointer)?.GetValue<double>().ToString(WebUtility.HtmlDecode(match.Groups["format"].Value), CultureInfo.InvariantCulture) ?? "–");
        }
    }

    /// <summary>What a JSON pointer names, which has to be there.</summary>
    public static JsonNode? At(JsonNode json, string pointer) => pointer.Split('/').Skip(1).Select(key => key.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal))
        .Aggregate((JsonNode?)json, (node, key) => node is JsonArray list ? list[int.Parse(key, CultureInfo.InvariantCulture)] : node!.AsObject().TryGetPropertyValue(key, out var child) ? child : throw new AssertFailedException($"{pointer} is not in the JSON"));

    /// <summary>Reads a JSON file.</summary>
    public static JsonNode Json(string file) => JsonNode.Parse(File.ReadAllText(file))!;

    /// <summary>A series of <c>[x, y]</c>.</summary>
    public static (double X, double Y)[] Points(JsonNode series) => [.. series.AsArray().Select(point => (point![0]!.GetValue<double>(), point[1]!.GetValue<double>()))];

    /// <summary>The chart that is called so: what stands below it, and for each line what is read out of it and where it runs.</summary>
    public static (string Caption, Dictionary<string, (string Title, (double X, double Y)[] Pixels)> Lines) Chart(string html, string name)
    {
        var figure = html.Split("<figure>").Single(part => part.Contains($"aria-label=\"{name}\"", StringComparison.Ordinal)).Split("</figure>")[0];
        var lines = new Dictionary<string, (string, (double, double)[])>();
        foreach (Match line in LinePattern().Matches(figure))
        {
            var title = WebUtility.HtmlDecode(line.Groups["title"].Value);
            lines.Add(title.Split(':')[0], (title, [.. line.Groups["points"].Captures.SelectMany(points => points.Value.Split(' '))
                .Select(point => point.Split(',').Select(one => double.Parse(one, CultureInfo.InvariantCulture)).ToArray()).Select(point => (point[0], point[1]))]));
        }

        return (WebUtility.HtmlDecode(figure), lines);
    }

    [GeneratedRegex("<g class=\"s\\d d\\d\"><title>(?<title>[^<]*)</title>\\s*(?:<polyline points=\"(?<points>[^\"]*)\"/>\\s*)+<circle")]
    private static partial Regex LinePattern();

    [GeneratedRegex("data-key=\"(?<key>[^\"]*)\" data-format=\"(?<format>[^\"]*)\">(?<text>[^<]*)<")]
    private static partial Regex NumberPattern();
}
