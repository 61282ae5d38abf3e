using System.CommandLine;

namespace Moodle.Cli;

/// <summary><c>moodle bench</c>: measures parts of the program on this machine.</summary>
internal static class BenchCommand
{
    /// <summary>The command.</summary>
    public static Command Create() => new("bench", "Measure parts of the program on this machine.") { BenchAttentionCommand.Create() };
}
