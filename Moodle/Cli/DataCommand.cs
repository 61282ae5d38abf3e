using System.CommandLine;

namespace Moodle.Cli;

/// <summary><c>moodle data</c>: work with data sets.</summary>
internal static class DataCommand
{
    /// <summary>The command with its subcommands.</summary>
    public static Command Create() => new("data", "Works with data sets.") { DataInspectCommand.Create(), DataConvertCommand.Create(), DataListCommand.Create() };
}
