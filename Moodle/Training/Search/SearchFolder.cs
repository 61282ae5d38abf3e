using Moodle.Configuration;
using Moodle.Graphs;
using Moodle.Runtime;

namespace Moodle.Training.Search;

/// <summary>
/// The folder of a search: <c>base.yaml</c> and <c>space.yaml</c>, the data set's vocabularies and digests, <c>log.txt</c>, the runs as <c>try-003/rung-1</c>, and at the end
/// <c>tune.csv</c> and <c>best.yaml</c>. One process works in it at a time.
/// </summary>
internal sealed class SearchFolder : IDisposable
{
    private readonly RunFolder _lock;

    private SearchFolder(string path, RunFolder held) => (Path, _lock) = (path, held);

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>The table of all runs.</summary>
    public string TablePath => System.IO.Path.Combine(Path, "tune.csv");

    /// <summary>The best configuration.</summary>
    public string BestPath => System.IO.Path.Combine(Path, "best.yaml");

    private string BasePath => System.IO.Path.Combine(Path, "base.yaml");

    private string SpacePath => System.IO.Path.Combine(Path, "space.yaml");

    /// <summary>Opens a folder for a search that begins, or for one that goes on.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="start">The configuration that the search starts from.</param>
    /// <param name="space">What it draws from.</param>
    /// <param name="graph">The data set.</param>
    /// <param name="force">Whether another search that is there is replaced.</param>
    /// <exception cref="InputException">It holds something else, another process works in it, or it cannot be written.</exception>
    public static SearchFolder Open(string path, MoodleConfig start, SearchSpace space, KnowledgeGraph graph, bool force)
    {
        if (RunFolder.Holds(path))
        {
            throw new InputException($"{path}: holds a run; choose another --run for the search");
        }

        var folder = new SearchFolder(path, RunFolder.Open(path));
        try
        {
            var isThere = File.Exists(folder.BasePath);
            if (isThere && force)
            {
                folder.Clear();
            }
            else if (isThere)
            {
                folder.CheckSame(start, space);
                RunVocabularies.Check(path, graph);
            }

            RunVocabularies.Write(path, graph);
            AtomicFile.WriteText(folder.SpacePath, space.ToYaml());
            AtomicFile.WriteText(folder.BasePath, ConfigLoader.ToYaml(start));
            return folder;
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>The folder of a run.</summary>
    public string RunPath(int number, int rung) => System.IO.Path.Combine(Path, FormattableString.Invariant($"try-{number:D3}"), FormattableString.Invariant($"rung-{rung}"));

    /// <summary>Appends a line to the log.</summary>
    public void Log(string text) => _lock.Log(text);

    /// <inheritdoc/>
    public void Dispose() => _lock.Dispose();

    private void CheckSame(MoodleConfig start, SearchSpace space)
    {
        var keys = ConfigLoader.KeysOf(ConfigLoader.Load(BasePath, [])).Zip(ConfigLoader.KeysOf(start));
        var difference = keys.Where(pair => pair.First.Default != pair.Second.Default).Select(pair => $"'{pair.First.Path}' was {pair.First.Default} and is {pair.Second.Default}").FirstOrDefault()
            ?? SearchSpaceReader.Read(SpacePath).DifferenceTo(space);
        if (difference is not null)
        {
            throw new InputException($"{Path}: holds another search: {difference}; choose another --run, or replace it with --force");
        }
    }

    // What makes it a search goes last: a replacement that was cut off is taken up again by force only.
    private void Clear()
    {
        RunFolder.DropTensors(Path);
        foreach (var tried in Directory.EnumerateDirectories(Path, "try-*").ToArray())
        {
            Directory.Delete(tried, recursive: true);
        }

        foreach (var file in (string[])[BestPath, TablePath, System.IO.Path.Combine(Path, "log.txt"), SpacePath, BasePath])
        {
            File.Delete(file);
        }
    }
}
