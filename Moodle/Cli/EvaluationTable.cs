using System.Globalization;
using Moodle.Evaluation;
using Spectre.Console;

namespace Moodle.Cli;

/// <summary>An evaluation as a table.</summary>
internal static class EvaluationTable
{
    /// <summary>Prints the figures of every branch, both sides and each.</summary>
    public static void Print(EvaluationReport report)
    {
        var console = ResultConsole.Create();
        var table = ResultConsole.Table(console, Justify.Left, "branch", "side", "MRR", "95 %", "MR", "Hits@1", "Hits@3", "Hits@5", "Hits@10", "AMRI");
        table.Title = new TableTitle(Markup.Escape(
            $"{EvaluationJson.NameOf(report.Split)}: {report.RankedTriples:N0} triples, filtered, realistic ranks over {report.Entities:N0} entities"));
        foreach (var branch in report.Branches)
        {
            Row(table, branch.Branch, "both", branch.Realistic.Both, branch.Intervals?.Both);
            Row(table, "", "head", branch.Realistic.Head, branch.Intervals?.Head);
            Row(table, "", "tail", branch.Realistic.Tail, branch.Intervals?.Tail);
        }

        console.Write(table);
    }

    private static void Row(Table table, string branch, string side, Metrics metrics, MetricIntervals? intervals)
    {
        static string Text(double value, string format = "F4") => value.ToString(format, CultureInfo.InvariantCulture);
        table.AddRow(
            branch, side, Text(metrics.Mrr), intervals is null ? "" : $"{Text(intervals.Mrr.Low)} to {Text(intervals.Mrr.High)}", Text(metrics.Mr, "F1"),
            Text(metrics.HitsAt1), Text(metrics.HitsAt3), Text(metrics.HitsAt5), Text(metrics.HitsAt10), Text(metrics.Amri));
    }
}
