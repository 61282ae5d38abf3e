using Moodle.Tests.Cli;
using Moodle.Tests.Training;

namespace Moodle.Tests.Reporting;

/// <summary>A run on the tiny graph whose names are an attack on whatever shows them; its report is in the run's folder.</summary>
internal sealed class ReportRun : IDisposable
{
    public const string EvilName = "<script>document.title='owned'</script><img src=x onerror=alert(1)>\"'&`|[x](javascript:1)";
    public const string EvilRelation = "near</td></script><script>alert(2)</script>";

    public ReportRun(params string[] sets)
    {
        var names = Path.Combine(Graph.Data, "entity2text.txt");
        File.WriteAllLines(names, File.ReadAllLines(names).Select((line, town) => town % 3 == 0 ? $"{line} {EvilName}" : line));
        var relations = Path.Combine(Graph.Data, "relation2text.txt");
        File.WriteAllLines(relations, File.ReadAllLines(relations).Select(line => line.StartsWith("near\t", StringComparison.Ordinal) ? $"near\t{EvilRelation}" : line));
        Train("run", sets);
    }

    public TinyGraph Graph { get; } = new();

    /// <summary>The run's folder.</summary>
    public string Folder => Graph["run"];

    public string this[string name] => Path.Combine(Folder, name);

    /// <summary>A JSON file of the run.</summary>
    public System.Text.Json.Nodes.JsonNode Json(string name) => ReportFiles.Json(this[name]);

    /// <summary>Trains another run beside it.</summary>
    public string Train(string name, params string[] sets)
    {
        CommandLine.Done(["train", Graph.ConfigFile, "--run", Graph[name], .. sets.SelectMany(set => (string[])["--set", set])]);
        return Graph[name];
    }

    public void Dispose() => Graph.Dispose();
}
