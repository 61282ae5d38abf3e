using System.CommandLine;
using Moodle.Evaluation;
using Moodle.Graphs;
using Moodle.Runtime;
using Moodle.Training;

namespace Moodle.Cli;

/// <summary><c>moodle evaluate</c>: filtered ranking of a split by a run's model.</summary>
internal static class EvaluateCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var run = new Argument<string>("RUN") { Description = "Folder of the run." };
        var split = new Option<string>("--split") { Description = "test or validation.", DefaultValueFactory = _ => "test" };
        split.AcceptOnlyFromAmong("test", "validation");
        var checkpoint = new Option<string>("--checkpoint") { Description = "best, last, or a checkpoint's JSON file.", HelpName = "best|last|FILE", DefaultValueFactory = _ => "best" };
        var json = new Option<string?>("--json") { Description = "Write all figures to this file.", HelpName = "FILE" };
        var ranks = new Option<string?>("--ranks") { Description = "Write every rank to this CSV file.", HelpName = "FILE" };
        var device = new Option<string?>("--device") { Description = "cpu, cuda or cuda:N; by default the run's own.", HelpName = "D" };
        var command = new Command("evaluate", "Ranks a split's triples against all entities, both sides, filtered.") { run, split, checkpoint, json, ranks, device };
        command.SetAction(result =>
        {
            LibTorch.Load();
            using var interrupt = new Interrupt("stopping");
            using var model = TrainedModel.Load(result.GetRequiredValue(run), result.GetRequiredValue(checkpoint), result.GetValue(device));
            var console = new ProgressConsole();
            var chosen = result.GetValue(split) == "test" ? Split.Test : Split.Validation;
            var (report, all) = SplitEvaluation.Run(model.Scorer, model.Graph, chosen, model.Config.Evaluation,
                progress: (done, total) => console.Progress("ranking", done, total, "queries"), cancellation: interrupt.Token);
            if (result.GetValue(json) is { } jsonPath)
            {
                EvaluationJson.Write(jsonPath, report);
            }

            if (result.GetValue(ranks) is { } ranksPath)
            {
                RanksFile.Write(ranksPath, all, model.Graph);
            }

            console.Clear();
            EvaluationTable.Print(report);
            Console.WriteLine(FormattableString.Invariant($"{report.Queries:N0} distinct queries in {report.Seconds:F1} s, {report.ScoringSeconds:F1} s of it scoring"));
            return 0;
        });
        return command;
    }
}
