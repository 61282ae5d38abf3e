using Moodle.Evaluation;

namespace Moodle.Cli;

/// <summary>What training and resuming have in common: Ctrl-C saves, and the results come last.</summary>
internal static class RunConsole
{
    /// <summary>Runs training work and prints its results.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="work">The work.</param>
    /// <param name="then">Told the results once they are printed.</param>
    /// <returns>The exit code.</returns>
    public static int Work(string folder, Func<ProgressConsole, CancellationToken, EvaluationReport> work, Action<EvaluationReport>? then = null)
    {
        using var console = new ProgressConsole();
        using var interrupt = new Interrupt(console, "finishing this step and saving; press Ctrl-C again to stop at once");
        try
        {
            var report = work(console, interrupt.Token);
            console.Clear();
            EvaluationTable.Print(report);
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
}
