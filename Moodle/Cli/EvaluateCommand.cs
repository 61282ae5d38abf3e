using System.CommandLine;
using System.CommandLine.Parsing;
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
        var run = CommonOptions.Run();
        var split = new Option<Split>("--split") { Description = "test or validation.", HelpName = "test|validation", DefaultValueFactory = _ => Split.Test, CustomParser = ParseSplit };
        var (checkpoint, device) = (CommonOptions.Checkpoint(), CommonOptions.Device());
        var json = new Option<string?>("--json") { Description = "Write all figures to this file.", HelpName = "FILE" };
        var ranks = new Option<string?>("--ranks") { Description = "Write every rank to this CSV file.", HelpName = "FILE" };
        var command = new Command("evaluate", "Ranks a split's triples against all entities, both sides, filtered.") { run, split, checkpoint, json, ranks, device };
        command.SetAction(result =>
        {
            LibTorch.Load();
            using var console = new ProgressConsole();
            using var interrupt = new Interrupt(console, "stopping");
            using var model = TrainedModel.Load(result.GetRequiredValue(run), result.GetRequiredValue(checkpoint), result.GetValue(device));
            var (report, all) = SplitEvaluation.Run(model.Scorer, model.Graph, result.GetValue(split), model.Config.Evaluation,
                progress: (done, total) => console.Progress("ranking", done, total, "queries"), cancellation: interrupt.Token);
            console.Clear();
            // Shown first: a file that cannot be written must not cost the figures.
            EvaluationTable.Print(report);
            Console.WriteLine(FormattableString.Invariant($"{report.Queries:N0} distinct queries in {report.Seconds:F1} s, {report.ScoringSeconds:F1} s of it scoring"));
            if (result.GetValue(json) is { } jsonPath)
            {
                EvaluationJson.Write(jsonPath, report);
            }

            if (result.GetValue(ranks) is { } ranksPath)
            {
                RanksFile.Write(ranksPath, all, model.Graph);
            }

            return 0;
        });
        return command;
    }

    private static Split ParseSplit(ArgumentResult result)
    {
        switch (result.Tokens is [.., var token] ? token.Value : "")
        {
            case "test":
                return Split.Test;
            case "validation":
                return Split.Validation;
            case var other:
                result.AddError($"--split: '{other}' is no split to rank; expected test or validation");
                return default;
        }
    }
}
