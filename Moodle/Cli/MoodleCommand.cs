using System.CommandLine;

namespace Moodle.Cli;

/// <summary>The root command.</summary>
internal static class MoodleCommand
{
    /// <summary>Parses, runs and turns failures into exit codes: 0 done, 1 failure, 2 usage or input, 130 Ctrl-C.</summary>
    public static int Run(string[] args)
    {
        var root = new RootCommand("Trains, evaluates and queries multimodal knowledge graph completion models.");
        return root.Parse(args).Invoke();
    }
}
