using System.CommandLine;
using Moodle.Graphs;

namespace Moodle.Cli;

/// <summary>How the commands of <c>moodle data</c> are told to read a data set.</summary>
internal sealed class DataOptions
{
    private readonly Option<string> _layout = new("--layout")
    {
        Description = $"Its layout: {string.Join(", ", GraphReader.LayoutNames)}; by default the first that its files speak for.",
        HelpName = "NAME",
        DefaultValueFactory = _ => GraphReadOptions.AutoLayout,
    };

    private readonly Option<string?> _linksTo = new("--links-to")
    {
        Description = "Folder of the data set that its links (*SameAsLink.txt) lead to; by default a folder beside it that begins with FB15K.",
        HelpName = "DIR",
    };

    /// <summary>Gives a command the options.</summary>
    public void AddTo(Command command)
    {
        command.Add(_layout);
        command.Add(_linksTo);
    }

    /// <summary>Reads a data set as they say.</summary>
    public KnowledgeGraph Read(ParseResult result, string path) =>
        GraphReader.Read(path, new GraphReadOptions { Layout = result.GetValue(_layout) ?? GraphReadOptions.AutoLayout, LinksTo = result.GetValue(_linksTo) });
}
