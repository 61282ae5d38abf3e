using System.Text.Json;
using Moodle.Runtime;
using Moodle.Tests.Support;
using static TorchSharp.torch;

namespace Moodle.Tests.Cli;

[TestClass]
public sealed class BenchAttentionCommandTests
{
    private static readonly string[] s_small = ["--heads", "1", "--dim", "16", "--block", "16", "--step", "2", "--init", "4", "--local", "8", "--theta", "8"];

    [TestMethod]
    [DataRow("forward", "structured", "cpu")]
    [DataRow("train", "random", "reference")]
    [DataRow("train", "structured", "auto")]
    public void Rows_HaveTheirKeys(string mode, string input, string implementation)
    {
        using var folder = TestData.NewFolder();
        var table = CommandLine.Done(
            ["bench", "attention", "--lengths", "64,200", "--mode", mode, "--input", input, "--implementation", implementation, "--json", folder["rows.json"], "--causal", .. s_small]);
        Assert.Contains("speedup", table);
        using var json = JsonDocument.Parse(File.ReadAllText(folder["rows.json"]));
        var rows = json.RootElement.GetProperty("rows").EnumerateArray().ToArray();
        CollectionAssert.AreEqual(new[] { 64, 200 }, rows.Select(row => row.GetProperty("length").GetInt32()).ToArray());
        foreach (var row in rows)
        {
            Assert.AreEqual((mode, implementation), (row.GetProperty("mode").GetString(), row.GetProperty("implementation").GetString()));
            double Number(string name) => row.GetProperty(name).GetDouble();
            Assert.IsTrue(Number("density") is > 0 and <= 1 && Number("recall") is > 0 and <= 1.0001 && Number("relative_error") >= 0);
            Assert.IsTrue(Number("milliseconds") > 0 && Number("dense_milliseconds") > 0);
            Assert.AreEqual(Number("dense_milliseconds") / Number("milliseconds"), Number("speedup"), 1e-9);
        }
    }

    [TestMethod]
    public void AFile_IsMeasuredSequenceBySequence()
    {
        using var folder = TestData.NewFolder();
        using var scope = NewDisposeScope();
        var path = folder["captured.safetensors"];
        Safetensors.Write(path, new[] { "a", "b" }.SelectMany(name => new[] { "q", "k", "v" }.Select(part => $"{name}.{part}"))
            .ToDictionary(name => name, name => randn(2, name[0] == 'a' ? 50 : 70, 8)));
        string[] Lengths(params string[] more)
        {
            CommandLine.Done(["bench", "attention", "--input", path, "--json", folder["rows.json"], .. more]);
            using var json = JsonDocument.Parse(File.ReadAllText(folder["rows.json"]));
            return [.. json.RootElement.GetProperty("rows").EnumerateArray().Select(row => $"{row.GetProperty("sequence")} {row.GetProperty("length")}")];
        }

        CollectionAssert.AreEqual(new[] { "a 50", "b 70" }, Lengths());
        CollectionAssert.AreEqual(new[] { "a 20", "b 20", "b 60" }, Lengths("--lengths", "20,60"));
        Refused(["--input", path, "--lengths", "99"], path, "no sequence of at least 99 tokens");

        Safetensors.Write(path, new Dictionary<string, Tensor> { ["q"] = randn(2, 5, 8), ["k"] = randn(2, 5, 8), ["v"] = randn(2, 6, 8) });
        Refused(["--input", path], path, "\"v\" has another shape or type than \"q\"");
        Safetensors.Write(path, new Dictionary<string, Tensor> { ["q"] = randn(2, 5, 9) });
        Refused(["--input", path], path, "[2, 5, 9]", "[heads, n, d]");
        Safetensors.Write(path, new Dictionary<string, Tensor> { ["x"] = randn(2, 5, 8) });
        Refused(["--input", path], path, "holds no sequence", "q, k and v");
        Refused(["--input", folder["none.safetensors"]], "none.safetensors", "cannot be read");
    }

    [TestMethod]
    public void ARunsTextEncoder_IsCaptured()
    {
        using var run = new SmallRun("modalities=structure,text", "training.unimodal.epochs=1", "text.pretrain.epochs=1");
        var file = run.Graph["captured.safetensors"];
        Assert.Contains("3 documents", CommandLine.Done("bench", "attention", "--capture", run.Path, "--out", file, "--documents", "3"));
        using (var captured = Safetensors.Open(file))
        {
            Assert.HasCount(3, captured.Metadata);
            Assert.IsTrue(captured.Contains("document2.layer0.q") && captured.Contains("document0.layer0.v"));
        }

        Assert.Contains("document2.layer0", CommandLine.Done("bench", "attention", "--input", file));
        Refused(["--capture", run.Path], "--capture needs --out");
        Refused(["--out", file], "--out belongs to --capture");
        Refused(["--capture", run.Graph["none"], "--out", file], "is no run");
    }

    [TestMethod]
    public void BadOptions_GetOneLine()
    {
        Refused(["--lengths", "10,x"], "--lengths: 'x'", "parted by commas");
        Refused(["--lengths", "0"], "--lengths: '0'");
        Refused(["--dim", "12"], "--dim: '12'", "multiple of 8 up to 128");
        Refused(["--dim", "8"], "too small for structured");
        Refused(["--heads", "0"], "--heads: '0'", "at least 1");
        Refused(["--block", "0"], "--block: '0'", "at least 1");
        Refused(["--init", "-1"], "--init: '-1'", "at least 0");
        Refused(["--theta", "hot"], "--theta: 'hot'", "inf");
        Refused(["--mode", "backward"], "--mode: 'backward'", "forward or train");
        Refused(["--implementation", "cuda"], "implementation cuda: the kernels need a GPU", "take auto");
        Refused(["--implementation", "gpu"], "--implementation: 'gpu'", "auto, reference, cpu or cuda");
        Refused(["--dtype", "int8"], "--dtype: 'int8'", "float32, bfloat16 or float16");
        Refused(["--device", "gpu"], "\"gpu\" is no device");
    }

    private static void Refused(string[] args, params string[] words) => CommandLine.Refused(["bench", "attention", .. args], words);
}
