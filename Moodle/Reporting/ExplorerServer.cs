using System.Globalization;
using System.Net;
using System.Text;

namespace Moodle.Reporting;

/// <summary>
/// Serves the explorer on the loopback address alone. Answers GET and HEAD, and refuses every Host but its own, so that a page from
/// elsewhere cannot reach it under a name that it bends to this address. It is .NET's own HttpListener: ASP.NET Core would bring 27 MB
/// to a program that has to stay below 100.
/// </summary>
internal sealed class ExplorerServer : IDisposable
{
    private const int MostUrl = 2000;
    private readonly Explorer _explorer;
    private readonly HttpListener _listener;
    private readonly string[] _hosts;

    /// <summary>Begins to listen.</summary>
    /// <param name="explorer">Answers.</param>
    /// <param name="port">The port on 127.0.0.1.</param>
    /// <exception cref="InputException">The port is taken or may not be used.</exception>
    public ExplorerServer(Explorer explorer, int port)
    {
        (_explorer, Port) = (explorer, port);
        _hosts = [string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{port}"), string.Create(CultureInfo.InvariantCulture, $"localhost:{port}")];
        _listener = new HttpListener { IgnoreWriteExceptions = true };
        foreach (var host in _hosts)
        {
            _listener.Prefixes.Add($"http://{host}/");
        }

        try
        {
            _listener.Start();
        }
        catch (Exception exception) when (exception is HttpListenerException or System.Net.Sockets.SocketException)
        {
            _listener.Close();
            throw new InputException(FormattableString.Invariant($"port {port} cannot be used ({exception.Message.TrimEnd('.')}); name another with --port"), exception);
        }
    }

    /// <summary>The port.</summary>
    public int Port { get; }

    /// <summary>Where a browser finds it.</summary>
    public string Address => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Port}/");

    /// <summary>Serves until cancelled.</summary>
    public void Run(CancellationToken cancellation)
    {
        using var stop = cancellation.Register(_listener.Stop);
        while (!cancellation.IsCancellationRequested)
        {
            HttpListenerContext context;
            try
            {
                context = _listener.GetContext();
            }
            catch (Exception exception) when (exception is HttpListenerException or ObjectDisposedException or InvalidOperationException)
            {
                if (cancellation.IsCancellationRequested)
                {
                    return;
                }

                if (exception is not HttpListenerException)
                {
                    throw;
                }

                continue;
            }

            ThreadPool.QueueUserWorkItem(_ => Handle(context));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => ((IDisposable)_listener).Dispose();

    private void Handle(HttpListenerContext context)
    {
        try
        {
            Send(context, Answer(context.Request));
        }
        catch (Exception exception) when (exception is HttpListenerException or IOException or ObjectDisposedException or InvalidOperationException)
        {
            // The browser went away.
            context.Response.Abort();
        }
    }

    private ExplorerAnswer Answer(HttpListenerRequest request)
    {
        if (!_hosts.Contains(request.UserHostName, StringComparer.OrdinalIgnoreCase))
        {
            return ExplorerAnswer.Refused(HttpStatusCode.Forbidden, "this host is not served here");
        }

        if (request.HttpMethod is not ("GET" or "HEAD"))
        {
            return ExplorerAnswer.Refused(HttpStatusCode.MethodNotAllowed, "only GET and HEAD");
        }

        if (request.RawUrl is not { Length: <= MostUrl } raw || !raw.StartsWith('/'))
        {
            return ExplorerAnswer.Refused(HttpStatusCode.BadRequest, "this address cannot be read");
        }

        var cut = raw.IndexOf('?', StringComparison.Ordinal);
        try
        {
            return _explorer.Answer(cut < 0 ? raw : raw[..cut], ParametersOf(cut < 0 ? "" : raw[(cut + 1)..]));
        }
        catch (InputException exception)
        {
            return ExplorerAnswer.Refused(HttpStatusCode.BadRequest, exception.Message);
        }
    }

    private static Dictionary<string, string> ParametersOf(string query)
    {
        var parameters = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var part in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var pair = part.Split('=', 2);
            if (!parameters.TryAdd(WebUtility.UrlDecode(pair[0]), pair.Length > 1 ? WebUtility.UrlDecode(pair[1]) : ""))
            {
                throw new InputException("a parameter is given twice");
            }
        }

        return parameters;
    }

    private static void Send(HttpListenerContext context, ExplorerAnswer answer)
    {
        var response = context.Response;
        response.StatusCode = (int)answer.Status;
        response.ContentType = answer.ContentType;
        response.Headers["X-Content-Type-Options"] = "nosniff";
        response.Headers["Cross-Origin-Resource-Policy"] = "same-origin";
        response.Headers["Referrer-Policy"] = "no-referrer";
        response.Headers["Cache-Control"] = answer.ContentType.StartsWith("image/", StringComparison.Ordinal) ? "private, max-age=3600" : "no-store";
        response.ContentLength64 = answer.Content.Length;
        if (context.Request.HttpMethod != "HEAD")
        {
            response.OutputStream.Write(answer.Content);
        }

        response.Close();
    }
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
