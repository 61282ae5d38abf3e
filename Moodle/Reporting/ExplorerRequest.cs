using System.Net;
using System.Text;

namespace Moodle.Reporting;

/// <summary>A request, without its body.</summary>
/// <param name="Method">Its method.</param>
/// <param name="Path">Its path, as it was sent.</param>
/// <param name="Query">What stands behind the question mark.</param>
/// <param name="Host">The host that it names.</param>
/// <param name="HasBody">Whether it brings a body, which is not read.</param>
/// <param name="KeepsOpen">Whether another request may follow on the connection.</param>
internal sealed record ExplorerRequest(string Method, string Path, string Query, string Host, bool HasBody, bool KeepsOpen)
{
    private const string NameSigns = "!#$%&'*+-.^_`|~";
    private static readonly string[] s_once = ["Host", "Content-Length"];
    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Whether a line can begin a request.</summary>
    public static bool IsRequestLine(string line) => line.Split(' ') is [var method, ['/', ..] target, "HTTP/1.1" or "HTTP/1.0"]
        && IsName(method) && target.All(letter => letter is > ' ' and < '\x7f');

    /// <summary>Reads the lines before the empty one, the first of which <see cref="IsRequestLine"/>; null where the others are no headers.</summary>
    public static ExplorerRequest? Parse(string head)
    {
        var lines = head.Split("\r\n");
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var line in lines.Skip(1))
        {
            if (line.Split(':', 2) is not [var name, var value] || !IsName(name) || (!headers.TryAdd(name, value.Trim()) && s_once.Contains(name, StringComparer.OrdinalIgnoreCase)))
            {
                return null;
            }
        }

        var length = headers.GetValueOrDefault("Content-Length", "0");
        if (!headers.TryGetValue("Host", out var host) || length.Length == 0 || !length.All(char.IsAsciiDigit))
        {
            return null;
        }

        var request = lines[0].Split(' ');
        var parts = request[1].Split('?', 2);
        var hasBody = headers.ContainsKey("Transfer-Encoding") || length.Any(digit => digit != '0');
        var keepsOpen = !hasBody && request[2] == "HTTP/1.1" && !headers.GetValueOrDefault("Connection", "").Contains("close", StringComparison.OrdinalIgnoreCase);
        return new ExplorerRequest(request[0], parts[0], parts.Length > 1 ? parts[1] : "", host, hasBody, keepsOpen);
    }

    /// <summary>The parameters of the query, decoded.</summary>
    /// <exception cref="InputException">One is given twice, or is not encoded as it must be.</exception>
    public Dictionary<string, string> Parameters()
    {
        var parameters = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var part in Query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var pair = part.Split('=', 2);
            if (!parameters.TryAdd(Decoded(pair[0]), pair.Length > 1 ? Decoded(pair[1]) : ""))
            {
                throw new InputException("a parameter is given twice");
            }
        }

        return parameters;
    }

    private static string Decoded(string text)
    {
        for (var i = text.IndexOf('%', StringComparison.Ordinal); i >= 0; i = text.IndexOf('%', i + 1))
        {
            if (i + 2 >= text.Length || !char.IsAsciiHexDigit(text[i + 1]) || !char.IsAsciiHexDigit(text[i + 2]))
            {
                throw new InputException("a percent sign in the query is not followed by two hexadecimal digits");
            }
        }

        try
        {
            return s_strict.GetString(WebUtility.UrlDecodeToBytes(Encoding.ASCII.GetBytes(text), 0, text.Length)!);
        }
        catch (DecoderFallbackException exception)
        {
            throw new InputException("the query is not UTF-8", exception);
        }
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
