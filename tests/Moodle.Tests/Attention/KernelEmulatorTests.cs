using System.Diagnostics;
using Moodle.Tests.Support;

namespace Moodle.Tests.Attention;

/// <summary>The text of the GPU's kernels, compiled for the CPU, against float64: what can be told of them where there is no GPU.</summary>
[TestClass]
public sealed class KernelEmulatorTests
{
    // A tenth to a third of the candidates are selected; lists for which there is room and none, screened keys, and gradients in order: check.cpp says what the numbers are.
    [TestMethod]
    [DataRow(64, false, "500 3.3 16")]
    [DataRow(64, true, "500 3.3 16 200 1")]
    [DataRow(128, false, "500 3.3 16 200 1")]
    [DataRow(128, true, "400 3.3 16 16777216 2")]
    public void SelectionOutputAndGradients_AgreeWithFloat64(int size, bool causal, string check)
    {
        var script = TestData.RequireRepository("experiments", "anchor-attention", "emulator", "emulate.py");
        Require("python3");
        Require("g++");
        string[] arguments = [script, "--size", $"{size}", .. causal ? ["--causal"] : Array.Empty<string>(), .. check.Split(' ')];
        using var emulator = Process.Start(new ProcessStartInfo("python3", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = emulator.StandardError.ReadToEndAsync();
        var output = emulator.StandardOutput.ReadToEnd();
        emulator.WaitForExit();
        Assert.AreEqual(0, emulator.ExitCode, output + errors.Result);
        StringAssert.Contains(output, " 0 wrong");
    }

    private static void Require(string program)
    {
        if (!(Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, program))))
        {
            Assert.Inconclusive($"{program} is not installed.");
        }
    }
}
