using System.CommandLine;
using Moodle.Reporting;
using Moodle.Runtime;

namespace Moodle.Cli;

/// <summary><c>moodle report</c>: what a person opens, reads and shares.</summary>
internal static class ReportCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var runs = new Argument<string[]>("RUN") { Description = "Folder of the run; several are compared with the first.", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string?>("--out") { Description = "Folder for report.html, report.md and results.json; by default the run's own, of several runs 'report'.", HelpName = "DIR" };
        var device = CommonOptions.Device();
        var command = new Command("report", "Writes the report of a run, or compares several.") { runs, output, device };
        command.SetAction(result =>
        {
            LibTorch.Load();
            using var console = new ProgressConsole();
            using var interrupt = new Interrupt(console, "stopping");
            var paths = result.GetRequiredValue(runs);
            var folder = result.GetValue(output) ?? (paths.Length == 1 ? paths[0] : "report");
            void Progress(int done, int total) => console.Progress("ranking", done, total, "queries");
            if (paths.Length == 1)
            {
                ReportWriter.Write(paths[0], folder, result.GetValue(device), Progress, interrupt.Token);
            }
            else
            {
                ReportWriter.Compare(paths, folder, result.GetValue(device), Progress, interrupt.Token);
            }

            console.Clear();
            Console.WriteLine($"report: {string.Join(", ", ReportWriter.Files.Select(file => Path.Combine(folder, file)))}");
            return 0;
        });
        return command;
    }
}
