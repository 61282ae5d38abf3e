using System.Diagnostics;
using Moodle.Training;

namespace Moodle.Cli;

/// <summary>
/// Messages and progress on the console: a line that is rewritten on a terminal, a plain line every few seconds elsewhere. Progress goes to
/// the error stream, so that results can be piped.
/// </summary>
internal sealed class ProgressConsole : ITrainingMonitor, IDisposable
{
    private static readonly TimeSpan s_terminalInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_plainInterval = TimeSpan.FromSeconds(5);
    private readonly Lock _lock = new();
    private readonly bool _terminal = !Console.IsErrorRedirected;
    private readonly Stopwatch _sinceShown = Stopwatch.StartNew();
    private readonly Stopwatch _task = Stopwatch.StartNew();
    private string _current = "";
    private long _first;
    private bool _open;

    /// <inheritdoc/>
    public void Message(string text)
    {
        lock (_lock)
        {
            Clear();
            Console.Error.WriteLine(text);
        }
    }

    /// <inheritdoc/>
    public void Progress(string task, long done, long total, string unit)
    {
        lock (_lock)
        {
            if (task != _current)
            {
                (_current, _first) = (task, done);
                _task.Restart();
            }

            if (_sinceShown.Elapsed < (_terminal ? s_terminalInterval : s_plainInterval))
            {
                return;
            }

            _sinceShown.Restart();
            var line = Describe(task, done, total, unit);
            if (_terminal)
            {
                Clear();
                Console.Error.Write(line.Length < Width() ? line : line[..Width()]);
                _open = true;
            }
            else
            {
                Console.Error.WriteLine(line);
            }
        }
    }

    /// <summary>Takes the progress line away before other output.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            if (_open)
            {
                Console.Error.Write("\r" + new string(' ', Width()) + "\r");
                _open = false;
            }
        }
    }

    /// <summary>Takes the progress line away, so that an error begins on a line of its own.</summary>
    public void Dispose() => Clear();

    private string Describe(string task, long done, long total, string unit)
    {
        // The rate counts what was done since the task was first heard of: a resumed epoch starts in its middle.
        var rate = (done - _first) / Math.Max(1e-3, _task.Elapsed.TotalSeconds);
        var share = total > 0 ? 100.0 * done / total : 100;
        var left = rate > 0 ? Duration((total - done) / rate) : "unknown time";
        return FormattableString.Invariant($"{task}: {share:F0} % ({done:N0} of {total:N0} {unit}), {rate:N0} {unit}/s, {left} left");
    }

    private static string Duration(double seconds)
    {
        var whole = (long)Math.Ceiling(Math.Max(0, seconds));
        return FormattableString.Invariant($"{whole / 3600}:{whole / 60 % 60:00}:{whole % 60:00}");
    }

    private static int Width()
    {
        try
        {
            return Math.Max(20, (Console.WindowWidth > 0 ? Console.WindowWidth : 80) - 1);
        }
        catch (IOException)
        {
            // Windows asks the standard output, which may be a file.
            return 79;
        }
    }
}
