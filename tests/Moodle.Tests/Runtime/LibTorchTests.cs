using System.Diagnostics;
using System.Runtime;
using Moodle.Runtime;
using Moodle.Tests.Support;
using static TorchSharp.torch;

namespace Moodle.Tests.Runtime;

[TestClass]
public sealed class LibTorchTests
{
    [TestMethod]
    public void Load_IsIdempotent() => Assert.AreSame(LibTorch.Load(), LibTorch.Load());

    // TorchSharp 0.107: x * 2.0 makes a native number that nothing holds during the call.
    [TestMethod]
    public void NoCollection_RunsBesideTheProgram() => Assert.AreEqual(GCLatencyMode.Batch, GCSettings.LatencyMode);

    [TestMethod]
    public void Loaded_MultipliesAndDifferentiates()
    {
        using var scope = NewDisposeScope();
        var a = tensor(new float[] { 1, 2, 3, 4 }).reshape(2, 2).requires_grad_(true);
        var b = tensor(new float[] { 5, 6, 7, 8 }).reshape(2, 2);
        var product = a.matmul(b);
        CollectionAssert.AreEqual(new float[] { 19, 22, 43, 50 }, product.data<float>().ToArray());
        product.sum().backward();
        CollectionAssert.AreEqual(new float[] { 11, 15, 11, 15 }, a.grad!.data<float>().ToArray());
    }

    [TestMethod]
    public void Loaded_TurnsNativeErrorsIntoExceptions()
    {
        using var a = ones(2, 3);
        using var b = ones(4, 5);
        var error = Assert.ThrowsExactly<System.Runtime.InteropServices.ExternalException>(() => a.add(b));
        Assert.Contains("size of tensor", error.Message);
    }

    [TestMethod]
    public async Task ProcessesThatStartTogether_ShareAnEmptyCache()
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Inconclusive("the cache is used on Linux only");
        }
        using var cache = TestData.NewFolder();
        var program = Path.Combine(AppContext.BaseDirectory, "Moodle.Tests");
        var processes = Enumerable.Range(0, 4).Select(_ =>
        {
            var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true };
            start.ArgumentList.Add("--filter");
            start.ArgumentList.Add($"Name={nameof(Loaded_MultipliesAndDifferentiates)}");
            start.Environment["XDG_CACHE_HOME"] = cache.Path;
            return Process.Start(start)!;
        }).ToList();
        foreach (var process in processes)
        {
            using (process)
            {
                var output = await process.StandardOutput.ReadToEndAsync();
                await process.WaitForExitAsync();
                Assert.AreEqual(0, process.ExitCode, output);
            }
        }
        Assert.HasCount(LibTorch.Load().Patched ? 1 : 0, Directory.GetFiles(cache.Path, "*", SearchOption.AllDirectories));
    }

    [TestMethod]
    [DataRow("XDG_CACHE_HOME", "/proc/none", 0, "")]
    [DataRow("HOME", "/proc/none", 0, "")]
    [DataRow("MOODLE_LIBTORCH", "/nowhere", 1, "/nowhere holds no libtorch_cpu.so")]
    public async Task Environment_IsHandled(string variable, string value, int expected, string message)
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Inconclusive("these variables are used on Linux only");
        }
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Moodle.Tests")) { RedirectStandardOutput = true };
        start.ArgumentList.Add("--filter");
        start.ArgumentList.Add($"Name={nameof(Loaded_MultipliesAndDifferentiates)}");
        start.Environment[variable] = value;
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.AreEqual(expected, Math.Min(1, process.ExitCode), output);
        Assert.Contains(message, output);
    }
}
