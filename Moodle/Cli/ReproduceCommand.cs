using System.CommandLine;
using Moodle.Configuration;
using Moodle.Evaluation;
using Moodle.Runtime;
using Moodle.Training;
using Spectre.Console;

namespace Moodle.Cli;

/// <summary><c>moodle reproduce</c>: trains a configuration and holds the result against the figure recorded for it.</summary>
internal static class ReproduceCommand
{
    private const string RecordName = "recorded.csv";
    private const int Different = 1;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var config = new Argument<string>("CONFIG") { Description = $"A configuration that {RecordName} beside it has figures of." };
        var data = new Option<string?>("--data") { Description = "Folder of the data set; short for --set data.path=...", HelpName = "DIR" };
        var run = new Option<string?>("--run") { Description = "Folder of the run; by default runs/NAME-DATE-TIME.", HelpName = "DIR" };
        var device = new Option<string?>("--device") { Description = "cpu, cuda or cuda:N; short for --set device=...", HelpName = "D" };
        var force = new Option<bool>("--force") { Description = "Replace a run that is in the folder already." };
        var command = new Command("reproduce", "Trains a configuration and compares its test MRR with the recorded one; exit code 1 where they differ by more than the tolerance.")
        {
            config, data, run, device, force,
        };
        command.SetAction(result =>
        {
            var path = result.GetRequiredValue(config);
            var name = Path.GetFileNameWithoutExtension(path);
            var record = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, RecordName);
            var recorded = RecordedFigure.Read(record, name);
            List<string> sets = [FormattableString.Invariant($"seed={recorded[0].Seed}")];
            sets.AddRange(result.GetValue(data) is { } folder ? [$"data.path={folder}"] : []);
            sets.AddRange(result.GetValue(device) is { } place ? [$"device={place}"] : []);
            var settings = ConfigLoader.Load(path, sets).WithFullPaths(path);
            var into = RunFolder.Named(result.GetValue(run), name);
            LibTorch.Load();
            var holds = false;
            var code = RunConsole.Work(into, (console, cancellation) =>
            {
                console.Message($"run: {into}");
                return Trainer.Start(settings, into, new() { Force = result.GetValue(force) }, console, cancellation);
            }, report => holds = Compare(recorded, report));
            return code != 0 || holds ? code : Different;
        });
        return command;
    }

    private static bool Compare(IReadOnlyList<RecordedFigure> recorded, EvaluationReport report)
    {
        var console = ResultConsole.Create();
        var table = ResultConsole.Table(console, Justify.Right, "test MRR", "recorded", "now", "difference", "tolerance", "", "recorded on");
        var all = true;
        foreach (var figure in recorded)
        {
            var now = figure.In(report);
            var holds = figure.Holds(now);
            all &= holds;
            string[] cells =
            [
                figure.Branch, FormattableString.Invariant($"{figure.Mrr:F4}"), FormattableString.Invariant($"{now:F4}"), FormattableString.Invariant($"{now - figure.Mrr:+0.0000;-0.0000;0.0000}"),
                FormattableString.Invariant($"{figure.Tolerance:F4}"), holds ? "holds" : "differs", figure.Measured,
            ];
            table.AddRow([.. cells.Select(cell => new Text(cell))]);
        }

        console.Write(table);
        return all;
    }
}
