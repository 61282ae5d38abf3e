using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Moodle.Tests.Cli;

/// <summary>The program as a process of its own, from the folder of the tests.</summary>
internal sealed class MoodleProcess : IDisposable
{
    private static readonly TimeSpan s_longest = TimeSpan.FromMinutes(2);
    private readonly Process _process;
    private readonly Task<string> _output;
    private readonly Task<string> _error;

    private MoodleProcess(string program, IEnumerable<string> args)
    {
        var start = new ProcessStartInfo(program, args) { RedirectStandardOutput = true, RedirectStandardError = true };
        // Tests of a limited file size: the runtime's own double mapping is a large file.
        start.Environment["DOTNET_EnableWriteXorExecute"] = "0";
        _process = Process.Start(start)!;
        _output = _process.StandardOutput.ReadToEndAsync();
        _error = _process.StandardError.ReadToEndAsync();
    }

    /// <summary>Starts the program.</summary>
    public static MoodleProcess Start(params string[] args) => new(DotNet, [Program, .. args]);

    /// <summary>Starts the program under a limit of the size of any file that it writes, which fails as a full disk does.</summary>
    public static MoodleProcess StartWithLargestFile(long kibibytes, params string[] args) =>
        new("bash", ["-c", string.Create(CultureInfo.InvariantCulture, $"trap '' XFSZ; ulimit -f {kibibytes}; exec \"$@\""), "bash", DotNet, Program, .. args]);

    private static string Program => Path.Combine(AppContext.BaseDirectory, "moodle.dll");

    // The runtime lies in <root>/shared/Microsoft.NETCore.App/<version>/.
    private static string DotNet
    {
        get
        {
            var host = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", "dotnet"));
            return File.Exists(host) ? host : "dotnet";
        }
    }

    /// <summary>Waits until something holds, which must be before the process ends.</summary>
    public void Until(Func<bool> holds, string what)
    {
        var clock = Stopwatch.StartNew();
        while (!holds())
        {
            Assert.IsFalse(_process.HasExited, $"ended before {what}: {(_process.HasExited ? _error.Result : "")}");
            Assert.IsLessThan(s_longest, clock.Elapsed, what);
            Thread.Sleep(5);
        }
    }

    /// <summary>kill -9.</summary>
    public void Kill()
    {
        _process.Kill();
        Assert.AreEqual(128 + 9, End().Code, "it was still at work");
    }

    /// <summary>Ctrl-C.</summary>
    public void Interrupt()
    {
        using var kill = Process.Start("kill", ["-INT", _process.Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    /// <summary>Waits for the end.</summary>
    public CommandLine End()
    {
        Assert.IsTrue(_process.WaitForExit(s_longest), "the process hangs");
        return new(_process.ExitCode, _output.Result, _error.Result);
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        _process.Dispose();
    }
}
