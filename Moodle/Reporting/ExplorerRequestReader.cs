using System.Net;
using System.Text;

namespace Moodle.Reporting;

/// <summary>
/// Reads requests from a connection, and says with what status to refuse one that cannot be read: as soon as that is certain, so that a
/// client that waits for an answer without having sent an empty line (a TLS handshake, a line by hand) gets one too.
/// </summary>
/// <param name="stream">The connection.</param>
/// <param name="idle">How long to wait for the first byte of a request.</param>
/// <param name="patience">How long to wait for all of it from then on.</param>
internal sealed class ExplorerRequestReader(Stream stream, TimeSpan idle, TimeSpan patience)
{
    private const int MostHeadBytes = 16384;
    private readonly byte[] _buffer = new byte[MostHeadBytes];
    private int _filled;

    /// <summary>The next request, or the answer that refuses it; neither where the client sent nothing more.</summary>
    public async Task<(ExplorerRequest? Request, ExplorerAnswer? Refusal)> NextAsync(CancellationToken cancellation)
    {
        using var clock = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        clock.CancelAfter(_filled == 0 ? idle : patience);
        try
        {
            while (true)
            {
                if (Look() is { } found)
                {
                    return found;
                }

                var begins = _filled == 0;
                var read = await stream.ReadAsync(_buffer.AsMemory(_filled), clock.Token).ConfigureAwait(false);
                _filled += read;
                if (read == 0)
                {
                    return _filled == 0 ? default : Refused(HttpStatusCode.BadRequest, "the request breaks off");
                }

                if (begins)
                {
                    clock.CancelAfter(patience);
                }
            }
        }
        catch (OperationCanceledException) when (_filled > 0 && !cancellation.IsCancellationRequested)
        {
            return Refused(HttpStatusCode.RequestTimeout, "the request did not end in time");
        }
    }

    /// <summary>What stands in the buffer; null where more is needed to tell.</summary>
    private (ExplorerRequest? Request, ExplorerAnswer? Refusal)? Look()
    {
        var head = _buffer.AsSpan(0, _filled);
        var end = head.IndexOf("\r\n\r\n"u8);
        head = end < 0 ? head : head[..end];
        var line = head.IndexOf("\r\n"u8);
        var first = Encoding.Latin1.GetString(line < 0 ? head : head[..line]);
        if (HasStrayControl(head) || ((end >= 0 || line >= 0) && !ExplorerRequest.IsRequestLine(first)))
        {
            return Refused(HttpStatusCode.BadRequest, "this is no request that can be read");
        }

        if (end >= 0)
        {
            var request = ExplorerRequest.Parse(Encoding.Latin1.GetString(head));
            _buffer.AsSpan(end + 4, _filled - end - 4).CopyTo(_buffer);
            _filled -= end + 4;
            return request is null ? Refused(HttpStatusCode.BadRequest, "the headers cannot be read") : (request, null);
        }

        return _filled < _buffer.Length ? null
            : line < 0 ? Refused(HttpStatusCode.RequestUriTooLong, "the address is too long")
            : Refused(HttpStatusCode.RequestHeaderFieldsTooLarge, "the headers are too long");
    }

    // Lines end with both signs; a carriage return at the end may still get the other one.
    private static bool HasStrayControl(ReadOnlySpan<byte> head)
    {
        for (var i = 0; i < head.Length; i++)
        {
            if (head[i] is 0x7f or (< 0x20 and not (byte)'\t') && !(head[i] == '\r' && (i + 1 == head.Length || head[i + 1] == '\n')) && !(head[i] == '\n' && i > 0 && head[i - 1] == '\r'))
            {
                return true;
            }
        }

        return false;
    }

    private static (ExplorerRequest?, ExplorerAnswer?) Refused(HttpStatusCode status, string reason) => (null, ExplorerAnswer.Refused(status, reason));
}
