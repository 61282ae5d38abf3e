using Moodle.Evaluation;

namespace Moodle.Cli;

/// <summary>What training and resuming have in common: Ctrl-C saves, and the results come last.</summary>
internal static class RunConsole
{
    /// <summary>Runs training work and prints its results.</summary>
    public static int Work(string folder, Func<ProgressConsole, CancellationToken, EvaluationReport> work)
    {
        using var interrupt = new Interrupt("finishing this step and saving; press Ctrl-C again to stop at once");
        var console = new ProgressConsole();
        try
        {
            var report = work(console, interrupt.Token);
            console.Clear();
            EvaluationTable.Print(report);
            Console.WriteLine($"results: {Path.Combine(folder, "results.json")}");
            return 0;
        }
        catch (OperationCanceledException exception)
        {
            console.Clear();
            throw new OperationCanceledException($"interrupted; 'moodle resume {folder}' goes on from here", exception);
        }
    }
}
