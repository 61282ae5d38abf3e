using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Moodle.Reporting;
using Moodle.Tests.Cli;
using Moodle.Tests.Training;

namespace Moodle.Tests.Reporting;

[TestClass]
public sealed class ExplorerServerTests
{
    private static ExplorerProcess s_explorer = null!;

    [ClassInitialize]
    public static void Serve(TestContext _) => s_explorer = new ExplorerProcess(new ReportRun());

    [ClassCleanup]
    public static void Stop() => s_explorer.Dispose();

    [TestMethod]
    public void Answers_AreThoseOfPredict()
    {
        var (town, road) = (IdOf(TinyGraph.Label(4)), Json("/api/relations").AsArray().Single(relation => (string?)relation!["label"] == "road_to")!["id"]);
        var served = Json($"/api/answers?entity={town}&relation={road}&asked=tail&top=5");
        var printed = JsonNode.Parse(CommandLine.Done("predict", s_explorer.Run.Folder, "--head", TinyGraph.Label(4), "--relation", "road_to", "--top", "5", "--json"))![0]!;
        Assert.AreEqual(TinyGraph.Label(4), (string?)served["entity"]);
        CollectionAssert.AreEqual(printed["answers"]!.AsArray().Select(answer => (string?)answer!["label"]).ToArray(), served["answers"]!.AsArray().Select(answer => (string?)answer!["label"]).ToArray());
        Assert.AreEqual(1, served["answers"]![0]!["shares"]!.AsObject().Sum(share => share.Value!.GetValue<double>()), 1e-5);
    }

    [TestMethod]
    public void Entities_AreFoundAndToldOf()
    {
        Assert.AreEqual("/t/07", (string?)Json("/api/entities?q=/t/07%20town").AsArray().Single()!["label"]);
        var about = Json($"/api/entity?id={IdOf(TinyGraph.Label(8))}");
        Assert.AreEqual(1, about["pictures"]!.GetValue<int>());
        Assert.IsNotEmpty(about["facts"]!.AsArray());
        Assert.HasCount(5, Json("/api/relations").AsArray());
        var picture = Get($"/picture?entity={IdOf(TinyGraph.Label(8))}&n=0");
        Assert.AreEqual("image/webp", picture.Content.Headers.ContentType!.MediaType);
        Assert.AreEqual(HttpStatusCode.NotFound, Get($"/picture?entity={IdOf(TinyGraph.Label(9))}&n=0").StatusCode);
    }

    [TestMethod]
    [DataRow("/../config.yaml", 404)]
    [DataRow("/%2e%2e/%2e%2e/etc/passwd", 404)]
    [DataRow("/results.json", 404)]
    [DataRow("/picture?entity=../../x&n=0", 400)]
    [DataRow("/api/answers?entity=60&relation=0&asked=tail", 400)]
    [DataRow("/api/answers?entity=0&relation=-1&asked=tail", 400)]
    [DataRow("/api/answers?entity=0&relation=0", 400)]
    [DataRow("/api/answers?entity=0&entity=1&relation=0&asked=tail", 400)]
    [DataRow("/api/entity?id=99999999999999999999", 400)]
    public void WhatIsNotServed_IsRefused(string path, int status) =>
        Assert.AreEqual(status, Raw($"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{s_explorer.Port}\r\nConnection: close\r\n\r\n"));

    [TestMethod]
    [DataRow("evil.example")]
    [DataRow("127.0.0.1.evil.example:PORT")]
    [DataRow("evil.example:PORT")]
    [DataRow("127.0.0.1")]
    public void OtherHosts_AreRefused(string host)
    {
        var status = Raw($"GET / HTTP/1.1\r\nHost: {host.Replace("PORT", s_explorer.Port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)}\r\nConnection: close\r\n\r\n");
        Assert.IsTrue(status is >= 400 and < 500, $"{status}");
    }

    [TestMethod]
    public void OnlyLoopback_IsListenedTo()
    {
        var elsewhere = Dns.GetHostAddresses(Dns.GetHostName()).FirstOrDefault(address => address.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(address));
        if (elsewhere is null)
        {
            Assert.Inconclusive("this machine has no address but loopback");
        }

        using var client = new TcpClient();
        Assert.ThrowsExactly<SocketException>(() => client.Connect(elsewhere!, s_explorer.Port));
    }

    [TestMethod]
    [DataRow("HELLO\r\n", 400)]
    [DataRow("SSH-2.0-OpenSSH_9.2\r\n", 400)]
    [DataRow("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400)]
    [DataRow("GET / HTTP/1.1\n", 400)]
    [DataRow("GET / HTTP/2.0\r\n", 400)]
    [DataRow("GET / HTTP/1.1\r\nX: a\x00", 400)]
    [DataRow("GET / HTTP/1.1\r\nX: a\rb", 400)]
    [DataRow("GET / HTTP/1.1\r\nHOSTContent-Length: 5\r\n\r\n", 413)]
    [DataRow("GET / HTTP/1.1\r\nHOSTTransfer-Encoding: chunked\r\n\r\n", 413)]
    [DataRow("POST / HTTP/1.1\r\nHOSTContent-Length: 5\r\n\r\n", 405)]
    [DataRow("GET /LONG", 414)]
    [DataRow("GET / HTTP/1.1\r\nX: LONG", 431)]
    public void WhatCannotBecomeARequest_IsRefusedAtOnce(string sent, int status)
    {
        var bytes = sent.Replace("LONG", new string('x', 20_000), StringComparison.Ordinal).Replace("HOST", $"Host: 127.0.0.1:{s_explorer.Port}\r\n", StringComparison.Ordinal);
        Assert.AreEqual(status, Raw(bytes, closes: false), "the client waits and does not close");
    }

    [TestMethod]
    public void RequestThatDoesNotEnd_IsRefused()
    {
        using var server = new ExplorerServer(s_explorer.Explorer, port: 0, patience: TimeSpan.FromMilliseconds(1));
        using var stop = new CancellationTokenSource();
        var work = server.RunAsync(stop.Token);
        Assert.AreEqual(408, Raw("GET / HTTP/1.1\r\nHost: ", closes: false, server.Port));
        stop.Cancel();
        work.GetAwaiter().GetResult();
    }

    [TestMethod]
    public void RequestsOfOneConnection_AreAnsweredInTurn()
    {
        var good = $"HEAD /api/entities?q=t%C3%B6wn+1%20%2b HTTP/1.1\r\nHost: LocalHost:{s_explorer.Port}\r\nX:\ta\tb\r\n\r\n";
        var text = Exchange(good + good + "GET / HTTP/1.1\r\nHo", closes: true, s_explorer.Port);
        CollectionAssert.AreEqual(new[] { "200", "200", "400" }, text.Split("\r\n").Where(line => line.StartsWith("HTTP/1.1 ", StringComparison.Ordinal)).Select(line => line.Split(' ')[1]).ToArray());
        Assert.AreEqual("", Exchange("", closes: true, s_explorer.Port), "who asks nothing is told nothing");
    }

    [TestMethod]
    public void ThousandMalformedRequests_GetNothingButRefusals()
    {
        var random = new Random(11);
        var host = $"Host: 127.0.0.1:{s_explorer.Port}\r\n";
        var whole = $"GET /api/answers?entity=0&relation=0&asked=tail HTTP/1.1\r\n{host}Accept: */*\r\nConnection: close\r\n\r\n";
        string[] paths = ["/api/answers", "/api/entity", "/api/entities", "/picture", "/", "/api"];
        string[] names = ["entity", "relation", "asked", "top", "id", "n", "q%00"];
        string[] values = ["-1", "1e9", "%", "%zz", "%00", "'", "\"", "<script>", "../../etc/passwd", "NaN", "99999999999", "head", new string('9', 500), "%D9%A3", "+"];
        string[] broken = ["%", "%z", "%zz", "a%f", "%2", "%-1", "%%41", "%ff", "%C3", "%C3%28", "%ED%A0%80", "%F8%80%80%80%80", "%c0%af"];
        string[] methods = ["GET", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "get", "G\u00cbT", "", "GE T", "G\0T", "CONNECT", new string('A', 300)];
        string[] bodies = ["Content-Length: 5\r\n\r\nhello", "Content-Length: 99999999999999999999\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello", "Content-Length: +0\r\n\r\n", "Content-Length: \r\n\r\n"];
        var seen = new SortedDictionary<int, int>();
        for (var i = 0; i < 1000; i++)
        {
            T Any<T>(T[] list) => list[random.Next(list.Length)];
            string Garbage(int most) => string.Concat(Enumerable.Range(0, random.Next(1, most)).Select(_ => (char)random.Next(0, 256)));
            // Each is wrong in at least one way: a value, a method, the line itself, the headers, a length, the encoding, or where it ends.
            var query = string.Join('&', Enumerable.Range(0, random.Next(1, 4)).Select(_ => $"{Any(names)}={Any(values)}"));
            var request = (i % 10) switch
            {
                0 => $"GET /api/answers?{query} HTTP/1.1\r\n{host}Connection: close\r\n\r\n",
                1 => $"{Any(methods[1..])} {Any(paths)}?{query} HTTP/1.1\r\n{host}Content-Length: 0\r\nConnection: close\r\n\r\n",
                2 => $"GET {Any(paths)}{Any(values)}{random.Next()} HTTP/{Any(["1.1", "9.9", "x", "", "1.1 ", "2"])}\r\n{host}Connection: close\r\n\r\n",
                3 => $"GET {Any(paths[..2])} HTTP/1.1\r\n{Any(["", "Host: \r\n", "Host: a b\r\n", ": x\r\n", "Host: x\r\n" + host, "no header\r\n" + host, "Content-Length: -5\r\n" + host, "Content-Length: x\r\n" + host, "Transfer-Encoding: y\r\n" + host, host + host, " " + host, "Host : x\r\n"])}Connection: close\r\n\r\n",
                4 => Garbage(60) + "\r\n\r\n",
                5 => Garbage(3000),
                6 => whole[..random.Next(1, whole.Length)],
                7 => $"GET /{Any(["", "api/entities?q="])}{new string('x', random.Next(16_384, 200_000))} HTTP/1.1\r\n{host}\r\n",
                8 => $"GET {Any(paths[..4])}?{Any(["q", "id", "entity"])}={Any(broken)} HTTP/1.1\r\n{host}Connection: close\r\n\r\n",
                _ => $"{Any(methods[..3])} {Any(paths)} HTTP/1.1\r\n{host}{Any([.. bodies, $"X: {new string('y', random.Next(16_384, 200_000))}\r\n\r\n", $"X: a{(char)random.Next(0, 9)}b\r\n\r\n", "X: a\nY: b\r\n\r\n"])}",
            };
            var status = Raw(request);
            seen[status] = seen.GetValueOrDefault(status) + 1;
            Assert.IsTrue(status is >= 400 and < 500, $"{status} for {request}");
        }

        Assert.AreEqual(HttpStatusCode.OK, Get("/").StatusCode, "it still serves");
        CollectionAssert.IsSubsetOf(new[] { 400, 403, 404, 405, 413, 414, 431 }, seen.Keys, string.Join(' ', seen));
    }

    private static int IdOf(string label) => Json($"/api/entities?q={label}").AsArray().Single(entity => (string?)entity!["label"] == label)!["id"]!.GetValue<int>();

    private static HttpResponseMessage Get(string path) => s_explorer.Client.GetAsync(new Uri(path, UriKind.Relative)).GetAwaiter().GetResult();

    private static JsonNode Json(string path) => JsonNode.Parse(Get(path).EnsureSuccessStatusCode().Content.ReadAsStringAsync().GetAwaiter().GetResult())!;

    /// <summary>Sends bytes as they are and gives the status of the answer, which there has to be.</summary>
    /// <param name="request">Each letter is a byte.</param>
    /// <param name="closes">Whether the sending side is closed then; else the answer is waited for.</param>
    /// <param name="port">The server's; by default that of all tests.</param>
    private static int Raw(string request, bool closes = true, int? port = null)
    {
        var answer = Exchange(request, closes, port ?? s_explorer.Port);
        Assert.StartsWith("HTTP/1.1 ", answer, $"no answer to {request}");
        return int.Parse(answer.Split(' ')[1], CultureInfo.InvariantCulture);
    }

    /// <summary>Sends bytes and reads until the server closes.</summary>
    private static string Exchange(string request, bool closes, int port)
    {
        using var client = new TcpClient { ReceiveTimeout = 20_000, NoDelay = true };
        client.Connect(IPAddress.Loopback, port);
        var stream = client.GetStream();
        stream.Write(Encoding.Latin1.GetBytes(request));
        if (closes)
        {
            client.Client.Shutdown(SocketShutdown.Send);
        }

        using var reader = new StreamReader(stream, Encoding.Latin1);
        return reader.ReadToEnd();
    }
}
