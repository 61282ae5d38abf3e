using Moodle.Evaluation;
using Moodle.Reporting;

namespace Moodle.Cli;

/// <summary>What training and resuming have in common: Ctrl-C saves, and the results come last.</summary>
internal static class RunConsole
{
    /// <summary>Runs training work and prints its results.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="work">The work.</param>
    /// <param name="then">Told the results once they are printed.</param>
    /// <returns>The exit code.</returns>
    public static int Work(string folder, Func<ProgressConsole, CancellationToken, EvaluationReport?> work, Action<EvaluationReport>? then = null)
    {
        using var console = new ProgressConsole();
        using var interrupt = new Interrupt(console, "finishing this step and saving; press Ctrl-C again to stop at once");
        try
        {
            var report = work(console, interrupt.Token);
            console.Clear();
            if (report is null)
            {
                Console.WriteLine($"The test triples were not looked at; 'moodle evaluate {folder}' ranks them.");
                return 0;
            }

            EvaluationTable.Print(report);
            Report(folder, console, interrupt.Token);
            Console.WriteLine($"results: {Path.Combine(folder, "results.json")}");
            then?.Invoke(report);
            return 0;
        }
        catch (OperationCanceledException)
        {
            console.Message($"moodle: interrupted; 'moodle resume {folder}' goes on from here");
            return MoodleCommand.Interrupted;
        }
    }

    // The results stand already: whatever keeps the report from being written is told and costs nothing else.
    private static void Report(string folder, ProgressConsole console, CancellationToken cancellation)
    {
        try
        {
            ReportWriter.Write(folder, folder, progress: (done, total) => console.Progress("report", done, total, "queries"), cancellation: cancellation);
            console.Clear();
            Console.WriteLine($"report: {Path.Combine(folder, "report.html")}");
        }
        catch (Exception exception)
        {
            console.Message($"moodle: the report was not written ({exception.Message.ReplaceLineEndings(" ").TrimEnd('.')}); the results are safe, 'moodle report {folder}' tries again");
        }
    }
}
