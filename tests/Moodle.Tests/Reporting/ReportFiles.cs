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
            var value = pointer.Split('/').Skip(1).Select(key => key.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal))
                .Aggregate((JsonNode?)json, (node, key) => node is JsonArray list ? list[int.Parse(key, CultureInfo.InvariantCulture)] : node!.AsObject().TryGetPropertyValue(key, out var child) ? child : throw new AssertFailedException($"{pointer} is not in the JSON"));
            yield return (pointer, WebUtility.HtmlDecode(match.Groups["text"].Value), value is null ? "–" : value.GetValue<double>().ToString(WebUtility.HtmlDecode(match.Groups["format"].Value), CultureInfo.InvariantCulture));
        }
    }

    [GeneratedRegex("data-key=\"(?<key>[^\"]*)\" data-format=\"(?<format>[^\"]*)\">(?<text>[^<]*)<")]
    private static partial Regex NumberPattern();
}
