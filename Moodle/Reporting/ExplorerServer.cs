using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Moodle.Reporting;

/// <summary>
/// Serves the explorer on the loopback address alone: HTTP/1.1, GET and HEAD, no bodies. Refuses every Host but its own, so that a page
/// from elsewhere cannot reach it under a name that it bends to this address. What cannot be read is refused, and the connection closed.
/// CONTRIBUTING.md says why it is not ASP.NET Core.
/// </summary>
internal sealed class ExplorerServer : IDisposable
{
    private static readonly TimeSpan s_idle = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_farewell = TimeSpan.FromSeconds(2);
    private readonly Explorer _explorer;
    private readonly TimeSpan _patience;
    private readonly TcpListener _listener;
    private readonly string[] _hosts;

    /// <summary>Begins to listen.</summary>
    /// <param name="explorer">Answers.</param>
    /// <param name="port">The port on 127.0.0.1; 0 takes any that is free.</param>
    /// <param name="patience">How long a request may take to arrive once it has begun; 10 seconds by default.</param>
    /// <exception cref="InputException">The port is taken or may not be used.</exception>
    public ExplorerServer(Explorer explorer, int port, TimeSpan? patience = null)
    {
        _explorer = explorer;
        _patience = patience ?? TimeSpan.FromSeconds(10);
        _listener = new TcpListener(IPAddress.Loopback, port);
        try
        {
            _listener.Start();
        }
        catch (SocketException exception)
        {
            throw new InputException(FormattableString.Invariant($"port {port} cannot be used ({exception.Message.TrimEnd('.')}); name another with --port"), exception);
        }

        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        var suffix = string.Create(CultureInfo.InvariantCulture, $":{Port}");
        _hosts = ["127.0.0.1" + suffix, "localhost" + suffix];
    }

    /// <summary>The port.</summary>
    public int Port { get; }

    /// <summary>Where a browser finds it.</summary>
    public string Address => $"http://{_hosts[0]}/";

    /// <summary>Serves until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(cancellation).ConfigureAwait(false);
                _ = Task.Run(() => ServeAsync(client, cancellation), CancellationToken.None);
            }
        }
        catch (OperationCanceledException)
        {
            // Asked to stop.
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _listener.Dispose();

    private async Task ServeAsync(TcpClient client, CancellationToken cancellation)
    {
        using var _ = client;
        client.NoDelay = true;
        try
        {
            var stream = client.GetStream();
            var reader = new ExplorerRequestReader(stream, s_idle, _patience);
            for (var goesOn = true; goesOn;)
            {
                var (request, refusal) = await reader.NextAsync(cancellation).ConfigureAwait(false);
                if ((refusal ?? (request is null ? null : Answer(request))) is not { } answer)
                {
                    return;
                }

                goesOn = request is { KeepsOpen: true };
                await stream.WriteAsync(Bytes(answer, withBody: request?.Method != "HEAD", goesOn), cancellation).ConfigureAwait(false);
            }

            // What is still on its way must not turn the answer into a reset.
            client.Client.Shutdown(SocketShutdown.Send);
            using var farewell = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            farewell.CancelAfter(s_farewell);
            var rest = new byte[8192];
            while (await stream.ReadAsync(rest, farewell.Token).ConfigureAwait(false) > 0)
            {
            }
        }
        catch (Exception exception) when (exception is IOException or SocketException or OperationCanceledException)
        {
            // The browser went away, or said nothing for long.
        }
    }

    private ExplorerAnswer Answer(ExplorerRequest request)
    {
        if (!_hosts.Contains(request.Host, StringComparer.OrdinalIgnoreCase))
        {
            return ExplorerAnswer.Refused(HttpStatusCode.Forbidden, "this host is not served here");
        }

        if (request.Method is not ("GET" or "HEAD"))
        {
            return ExplorerAnswer.Refused(HttpStatusCode.MethodNotAllowed, "only GET and HEAD");
        }

        if (request.HasBody)
        {
            return ExplorerAnswer.Refused(HttpStatusCode.RequestEntityTooLarge, "no body is taken");
        }

        try
        {
            return _explorer.Answer(request.Path, request.Parameters());
        }
        catch (InputException exception)
        {
            return ExplorerAnswer.Refused(HttpStatusCode.BadRequest, exception.Message);
        }
        catch (Exception exception)
        {
            // A fault of the program: the page shows it, and the next question may do better.
            return ExplorerAnswer.Refused(HttpStatusCode.InternalServerError, exception.Message);
        }
    }

    private static byte[] Bytes(ExplorerAnswer answer, bool withBody, bool goesOn)
    {
        var head = string.Create(CultureInfo.InvariantCulture, $"""
            HTTP/1.1 {(int)answer.Status} {answer.Status}
            Content-Type: {answer.ContentType}
            Content-Length: {answer.Content.Length}
            Cache-Control: {(answer.ContentType.StartsWith("image/", StringComparison.Ordinal) ? "private, max-age=3600" : "no-store")}
            X-Content-Type-Options: nosniff
            Cross-Origin-Resource-Policy: same-origin
            Referrer-Policy: no-referrer
            {(answer.Status == HttpStatusCode.MethodNotAllowed ? "Allow: GET, HEAD\n" : "")}Connection: {(goesOn ? "keep-alive" : "close")}


            """).ReplaceLineEndings("\r\n");
        return withBody ? [.. Encoding.ASCII.GetBytes(head), .. answer.Content] : Encoding.ASCII.GetBytes(head);
    }
}
