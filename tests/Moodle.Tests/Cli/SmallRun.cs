using Moodle.Tests.Training;

namespace Moodle.Tests.Cli;

/// <summary>A complete run on the tiny graph, trained by the command line.</summary>
internal sealed class SmallRun : IDisposable
{
    public SmallRun(params string[] sets) => Trained = CommandLine.Run(["train", Graph.ConfigFile, "--run", Path, .. sets.SelectMany(set => (string[])["--set", set])]);

    public TinyGraph Graph { get; } = new();

    /// <summary>What <c>train</c> answered.</summary>
    public CommandLine Trained { get; }

    /// <summary>The run's folder.</summary>
    public string Path => Graph["run"];

    /// <summary>The tensors of a checkpoint.</summary>
    public static string TensorsOf(string run, string checkpoint) => Directory.GetFiles(System.IO.Path.Combine(run, "checkpoints"), checkpoint + "-*.safetensors").Single();

    /// <summary>A copy of the run to damage.</summary>
    public string Copy(string name)
    {
        foreach (var file in Directory.GetFiles(Path, "*", SearchOption.AllDirectories).Where(file => System.IO.Path.GetFileName(file) != ".lock"))
        {
            var copy = System.IO.Path.Combine(Graph[name], System.IO.Path.GetRelativePath(Path, file));
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }

        return Graph[name];
    }

    public void Dispose() => Graph.Dispose();
}
