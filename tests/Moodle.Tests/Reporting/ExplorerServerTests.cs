using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
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
    public void ThousandMalformedRequests_GetNothingButRefusals()
    {
        var random = new Random(11);
        var host = $"Host: 127.0.0.1:{s_explorer.Port}\r\n";
        string[] paths = ["/api/answers", "/api/entity", "/api/entities", "/picture", "/", "/api"];
        string[] names = ["entity", "relation", "asked", "top", "id", "n", "q%00"];
        string[] values = ["-1", "1e9", "%", "%zz", "%00", "'", "\"", "<script>", "../../etc/passwd", "NaN", "99999999999", "head", new string('9', 500), "%D9%A3", "+"];
        string[] methods = ["GET", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "get", "G\u00cbT", ""];
        var seen = new Dictionary<int, int>();
        for (var i = 0; i < 1000; i++)
        {
            T Any<T>(T[] list) => list[random.Next(list.Length)];
            // Each is wrong in at least one way: a value, a method, the line itself, or the headers.
            var query = string.Join('&', Enumerable.Range(0, random.Next(1, 4)).Select(_ => $"{Any(names)}={Any(values)}"));
            var request = (i % 5) switch
            {
                0 => $"GET /api/answers?{query} HTTP/1.1\r\n{host}Connection: close\r\n\r\n",
                1 => $"{Any(methods[1..])} {Any(paths)}?{query} HTTP/1.1\r\n{host}Content-Length: 0\r\nConnection: close\r\n\r\n",
                2 => $"GET {Any(paths)}{Any(values)}{random.Next()} HTTP/{Any(["1.1", "9.9", "x", ""])}\r\n{host}Connection: close\r\n\r\n",
                3 => $"GET {Any(paths[..2])} HTTP/1.1\r\n{Any(["", "Host: \r\n", "Host: a b\r\n", ": x\r\n", "Host: x\r\n" + host, "no header\r\n" + host, "Content-Length: -5\r\n" + host, "Content-Length: x\r\n" + host, "Transfer-Encoding: y\r\n" + host])}Connection: close\r\n\r\n",
                _ => string.Concat(Enumerable.Range(0, random.Next(1, 60)).Select(_ => (char)random.Next(1, 256))) + "\r\n\r\n",
            };
            var status = Raw(request);
            seen[status] = seen.GetValueOrDefault(status) + 1;
            Assert.IsTrue(status is >= 400 and < 500, $"{status} for {request}");
        }

        Assert.AreEqual(HttpStatusCode.OK, Get("/").StatusCode, "it still serves");
        Assert.IsGreaterThan(100, seen.GetValueOrDefault(400));
    }

    private static int IdOf(string label) => Json($"/api/entities?q={label}").AsArray().Single(entity => (string?)entity!["label"] == label)!["id"]!.GetValue<int>();

    private static HttpResponseMessage Get(string path) => s_explorer.Client.GetAsync(new Uri(path, UriKind.Relative)).GetAwaiter().GetResult();

    private static JsonNode Json(string path) => JsonNode.Parse(Get(path).EnsureSuccessStatusCode().Content.ReadAsStringAsync().GetAwaiter().GetResult())!;

    /// <summary>Sends bytes as they are and gives the status, 499 where the connection was closed without one.</summary>
    private static int Raw(string request)
    {
        using var client = new TcpClient { ReceiveTimeout = 10_000, NoDelay = true };
        client.Connect(IPAddress.Loopback, s_explorer.Port);
        try
        {
            var stream = client.GetStream();
            stream.Write(Encoding.Latin1.GetBytes(request));
            client.Client.Shutdown(SocketShutdown.Send);
            using var reader = new StreamReader(stream, Encoding.Latin1);
            return reader.ReadLine()?.Split(' ') is [_, var status, ..] ? int.Parse(status, CultureInfo.InvariantCulture) : 499;
        }
        catch (IOException exception) when (exception.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionReset })
        {
            return 499;
        }
    }
}
