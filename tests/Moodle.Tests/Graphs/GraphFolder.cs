using Moodle.Graphs;

namespace Moodle.Tests.Graphs;

/// <summary>A small data set in a temporary folder.</summary>
internal sealed class GraphFolder : IDisposable
{
    public GraphFolder() => Directory.CreateDirectory(Path);

    public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), "moodle-" + Guid.NewGuid().ToString("N"));

    /// <summary>Three sound splits of the MKGformer layout.</summary>
    public static GraphFolder Small() => new GraphFolder()
        .With("train.tsv", "paris\tcapital of\tfrance\r\nrome\tcapital of\titaly\r\n")
        .With("dev.tsv", "france\tborders\titaly\n")
        .With("test.tsv", "italy\tborders\tfrance");

    public string this[string file] => System.IO.Path.Combine(Path, file);

    public GraphFolder With(string file, string text)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(this[file])!);
        File.WriteAllText(this[file], text);
        return this;
    }

    public GraphFolder Without(string file)
    {
        File.Delete(this[file]);
        return this;
    }

    public KnowledgeGraph Read() => GraphReader.Read(Path);

    public KnowledgeGraph Read(GraphReadOptions options) => GraphReader.Read(Path, options);

    /// <summary>Reads what must not be readable; the message without the folder's path.</summary>
    public string Refusal() => Assert.ThrowsExactly<InputException>(Read).Message.Replace(Path + System.IO.Path.DirectorySeparatorChar, "", StringComparison.Ordinal);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
