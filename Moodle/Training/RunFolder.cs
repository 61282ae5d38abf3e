using System.Text;
using Moodle.Configuration;
using Moodle.Runtime;

namespace Moodle.Training;

/// <summary>
/// The folder of a run: <c>config.yaml</c>, <c>log.txt</c>, <c>metrics.jsonl</c>, <c>tensorboard/</c>, <c>features/</c>, <c>checkpoints/</c>
/// and, at the end, <c>results.json</c>, <c>report.html</c> and <c>report.md</c>; <c>profile.json</c> if it was asked for.
/// </summary>
internal sealed class RunFolder : IDisposable
{
    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false);
    private const string ProfileName = "profile.json";
    private const string UntestedName = "untested.txt";
    private readonly Lock _lock = new();
    private readonly FileStream _mutex;

    private RunFolder(string path, FileStream mutex)
    {
        (Path, _mutex) = (path, mutex);
        Checkpoints = CheckpointsOf(path);
        Metrics = new MetricsLog(System.IO.Path.Combine(path, "metrics.jsonl"), System.IO.Path.Combine(path, "tensorboard"));
    }

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>Its checkpoints.</summary>
    public CheckpointFolder Checkpoints { get; }

    /// <summary>Its metrics.</summary>
    public MetricsLog Metrics { get; }

    /// <summary>The resolved configuration.</summary>
    public string ConfigPath => System.IO.Path.Combine(Path, ConfigName);

    /// <summary>The test results.</summary>
    public string ResultsPath => System.IO.Path.Combine(Path, "results.json");

    /// <summary>Where the time went, if that was asked for.</summary>
    public string ProfilePath => System.IO.Path.Combine(Path, ProfileName);

    /// <summary>Length of the metrics file in bytes.</summary>
    public long MetricsLength => Metrics.Length;

    /// <summary>Whether the run ends before the test, since it is one of several that are still to be chosen from.</summary>
    public static bool IsUntested(string path) => File.Exists(System.IO.Path.Combine(path, UntestedName));

    /// <summary>Makes the run one that ends before the test.</summary>
    public void LeaveUntested() =>
        AtomicFile.WriteText(System.IO.Path.Combine(Path, UntestedName), "This run is judged by validation alone: it ends before the test.\n");

    /// <summary>The name of the configuration in every run folder.</summary>
    public const string ConfigName = "config.yaml";

    /// <summary>The checkpoints of a run that is only read.</summary>
    public static CheckpointFolder CheckpointsOf(string path) => new(System.IO.Path.Combine(path, "checkpoints"));

    /// <summary>The folder of a run's encoders and their features.</summary>
    public static string FeaturesOf(string path) => System.IO.Path.Combine(path, "features");

    /// <summary>The folder that was asked for, or one of its own for this moment: <c>runs/NAME-DATE-TIME</c>.</summary>
    public static string Named(string? asked, string name) =>
        asked ?? System.IO.Path.Combine("runs", FormattableString.Invariant($"{name}-{DateTime.Now:yyyyMMdd-HHmmss}"));

    /// <summary>Whether a folder holds a run.</summary>
    public static bool Holds(string path) => File.Exists(System.IO.Path.Combine(path, ConfigName));

    /// <summary>The configuration that a run was started with.</summary>
    /// <exception cref="InputException">The folder holds no run, or its configuration is damaged.</exception>
    public static MoodleConfig ReadConfig(string path)
    {
        var file = System.IO.Path.Combine(path, ConfigName);
        return File.Exists(file)
            ? ConfigLoader.Load(file, [])
            : throw new InputException($"{path}: is no run ({ConfigName} is missing); give the folder that 'moodle train' reported");
    }

    /// <summary>Starts a run in a folder that holds none, or, by force, in place of the run that it holds.</summary>
    /// <exception cref="InputException">A run is there already, or the folder cannot be written.</exception>
    public static RunFolder Create(string path, bool force)
    {
        var isRun = Holds(path);
        // What a replacement that was cut off leaves: the configuration goes last.
        var isRest = !isRun && CheckpointsOf(path).Has(CheckpointFolder.Last);
        if ((isRun || isRest) && !force)
        {
            throw new InputException(isRun
                ? $"{path}: holds a run already; continue it with 'moodle resume {path}', choose another --run, or replace it with --force"
                : $"{path}: holds the checkpoints of a run without its {ConfigName}; choose another --run, or replace it with --force");
        }

        var run = Open(path);
        try
        {
            if (isRun || isRest)
            {
                // Only under the lock: a run that is still at work is not deleted under its hands.
                Clear(path);
            }

            return run;
        }
        catch
        {
            run.Dispose();
            throw;
        }
    }

    private static void Clear(string path)
    {
        Delete(path, "tensorboard", "features", "checkpoints");
        foreach (var name in (string[])["log.txt", "metrics.jsonl", "results.json", "report.html", "report.md", ProfileName, UntestedName, ConfigName])
        {
            File.Delete(System.IO.Path.Combine(path, name));
        }
    }

    /// <summary>Deletes a run's checkpoints and features, by far the most of what it takes; what remains is its record.</summary>
    public static void DropTensors(string path) => Delete(path, "checkpoints", "features");

    private static void Delete(string path, params string[] folders)
    {
        foreach (var full in folders.Select(folder => System.IO.Path.Combine(path, folder)).Where(Directory.Exists))
        {
            Directory.Delete(full, recursive: true);
        }
    }

    /// <summary>Opens a run's folder for work by this process alone.</summary>
    /// <exception cref="InputException">Another process works in it, or the folder cannot be written.</exception>
    public static RunFolder Open(string path)
    {
        try
        {
            Directory.CreateDirectory(path);
            return new RunFolder(path, new FileStream(System.IO.Path.Combine(path, ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (UnauthorizedAccessException exception)
        {
            throw new InputException($"{path}: cannot be written ({exception.Message}); choose a folder of yours with --run", exception);
        }
        catch (IOException exception)
        {
            throw new InputException(File.Exists(System.IO.Path.Combine(path, ".lock"))
                ? $"{path}: another moodle process works on this run; wait for it, or choose another --run"
                : $"{path}: cannot be used as a run folder ({exception.Message}); choose another --run", exception);
        }
    }

    /// <summary>Appends a line to the log.</summary>
    public void Log(string text)
    {
        lock (_lock)
        {
            Append(System.IO.Path.Combine(Path, "log.txt"), FormattableString.Invariant($"{DateTime.UtcNow:yyyy-MM-dd HH:mm:ss}Z {text}\n"));
        }
    }

    /// <summary>Appends to a file of a run.</summary>
    /// <exception cref="InputException">It cannot be written; what the last checkpoint holds is safe.</exception>
    internal static void Append(string file, string text)
    {
        try
        {
            File.AppendAllText(file, text, s_utf8);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{file}: cannot be written ({exception.Message.ReplaceLineEndings(" ").TrimEnd('.')}); free some space or mend the permissions, "
                + "then 'moodle resume' goes on from the last checkpoint", exception);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Metrics.Dispose();
        _mutex.Dispose();
    }
}
