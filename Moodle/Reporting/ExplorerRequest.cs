using System.Net;
using System.Text;

namespace Moodle.Reporting;

/// <summary>A request without a body.</summary>
/// <param name="Method">Its method.</param>
/// <param name="Path">Its path, as it was sent.</param>
/// <param name="Query">What stands behind the question mark.</param>
/// <param name="Host">The host that it names.</param>
/// <param name="KeepsOpen">Whether another request may follow on the connection.</param>
internal sealed record ExplorerRequest(string Method, string Path, string Query, string Host, bool KeepsOpen)
{
    private const string NameSigns = "!#$%&'*+-.^_`|~";

    /// <summary>Reads the lines before the empty one; null where they are no request, or one that brings a body.</summary>
    public static ExplorerRequest? Parse(string head)
    {
        var lines = head.Split("\r\n");
        if (lines[0].Split(' ') is not [var method, ['/', ..] target, "HTTP/1.1" or "HTTP/1.0"] || !IsName(method) || !target.All(letter => letter is > ' ' and < '\x7f'))
        {
            return null;
        }

        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var line in lines.Skip(1))
        {
            if (line.Split(':', 2) is not [var name, var value] || !IsName(name) || value.Any(char.IsControl) || (!headers.TryAdd(name, value.Trim()) && name.Equals("Host", StringComparison.OrdinalIgnoreCase)))
            {
                return null;
            }
        }

        if (!headers.TryGetValue("Host", out var host) || headers.ContainsKey("Transfer-Encoding") || headers.GetValueOrDefault("Content-Length", "0") != "0")
        {
            return null;
        }

        var parts = target.Split('?', 2);
        var keepsOpen = lines[0].EndsWith("1.1", StringComparison.Ordinal) && !headers.GetValueOrDefault("Connection", "").Contains("close", StringComparison.OrdinalIgnoreCase);
        return new ExplorerRequest(method, parts[0], parts.Length > 1 ? parts[1] : "", host, keepsOpen);
    }

    /// <summary>The parameters of the query, decoded.</summary>
    /// <exception cref="InputException">One is given twice.</exception>
    public Dictionary<string, string> Parameters()
    {
        var parameters = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var part in Query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var pair = part.Split('=', 2);
            if (!parameters.TryAdd(WebUtility.UrlDecode(pair[0]), pair.Length > 1 ? WebUtility.UrlDecode(pair[1]) : ""))
            {
                throw new InputException("a parameter is given twice");
            }
        }

        return parameters;
    }

    private static bool IsName(string text) => text.Length > 0 && text.All(letter => char.IsAsciiLetterOrDigit(letter) || NameSigns.Contains(letter, StringComparison.Ordinal));
}

/// <summary>What a request gets.</summary>
/// <param name="Status">The status.</param>
/// <param name="ContentType">What <paramref name="Content"/> is.</param>
/// <param name="Content">The body.</param>
internal sealed record ExplorerAnswer(HttpStatusCode Status, string ContentType, byte[] Content)
{
    /// <summary>A refusal with its reason.</summary>
    public static ExplorerAnswer Refused(HttpStatusCode status, string reason) => new(status, "text/plain; charset=utf-8", Encoding.UTF8.GetBytes(reason + "\n"));
}
