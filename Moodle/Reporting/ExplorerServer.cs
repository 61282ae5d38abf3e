using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Moodle.Reporting;

/// <summary>
/// Serves the explorer on the loopback address alone: HTTP/1.1, GET and HEAD, no bodies. Refuses every Host but its own, so that a page
/// from elsewhere cannot reach it under a name that it bends to this address. What cannot be read is refused with 400 and the connection
/// closed. So little is needed that ASP.NET Core, 27 MB in a program that has to stay below 100, would be out of proportion.
/// </summary>
internal sealed class ExplorerServer : IDisposable
{
    private const int MostHeadBytes = 16384;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private readonly Explorer _explorer;
    private readonly TcpListener _listener;
    private readonly string[] _hosts;

    /// <summary>Begins to listen.</summary>
    /// <param name="explorer">Answers.</param>
    /// <param name="port">The port on 127.0.0.1; 0 takes any that is free.</param>
    /// <exception cref="InputException">The port is taken or may not be used.</exception>
    public ExplorerServer(Explorer explorer, int port)
    {
        _explorer = explorer;
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
            var (buffer, filled) = (new byte[MostHeadBytes], 0);
            for (var goesOn = true; goesOn;)
            {
                int end;
                while ((end = buffer.AsSpan(0, filled).IndexOf("\r\n\r\n"u8)) < 0 && filled < buffer.Length)
                {
                    using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
                    patience.CancelAfter(s_patience);
                    var read = await stream.ReadAsync(buffer.AsMemory(filled), patience.Token).ConfigureAwait(false);
                    if (read == 0)
                    {
                        break;
                    }

                    filled += read;
                }

                if (end < 0 && filled == 0)
                {
                    return;
                }

                var request = end < 0 ? null : ExplorerRequest.Parse(Encoding.Latin1.GetString(buffer, 0, end));
                goesOn = request is { KeepsOpen: true };
                await stream.WriteAsync(Bytes(Answer(request), withBody: request?.Method != "HEAD", goesOn), cancellation).ConfigureAwait(false);
                if (goesOn)
                {
                    buffer.AsSpan(end + 4, filled - end - 4).CopyTo(buffer);
                    filled -= end + 4;
                }
            }

            // What is still on its way must not turn the answer into a reset.
            client.Client.Shutdown(SocketShutdown.Send);
            while (await stream.ReadAsync(buffer, cancellation).AsTask().WaitAsync(TimeSpan.FromSeconds(2), cancellation).ConfigureAwait(false) > 0)
            {
            }
        }
        catch (Exception exception) when (exception is IOException or SocketException or OperationCanceledException or TimeoutException)
        {
            // The browser went away, or said nothing for long.
        }
    }

    private ExplorerAnswer Answer(ExplorerRequest? request)
    {
        if (request is null)
        {
            return ExplorerAnswer.Refused(HttpStatusCode.BadRequest, "this is no request that can be read");
        }

        if (!_hosts.Contains(request.Host, StringComparer.OrdinalIgnoreCase))
        {
            return ExplorerAnswer.Refused(HttpStatusCode.Forbidden, "this host is not served here");
        }

        if (request.Method is not ("GET" or "HEAD"))
        {
            return ExplorerAnswer.Refused(HttpStatusCode.MethodNotAllowed, "only GET and HEAD");
        }

        try
        {
            return _explorer.Answer(request.Path, request.Parameters());
        }
        catch (InputException exception)
        {
            return ExplorerAnswer.Refused(HttpStatusCode.BadRequest, exception.Message);
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
