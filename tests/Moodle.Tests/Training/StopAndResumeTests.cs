using Moodle.Training;

namespace Moodle.Tests.Training;

/// <summary>A run that was stopped anywhere ends exactly as one that was not. <c>KillTests</c> shows it with real processes.</summary>
[TestClass]
public sealed class StopAndResumeTests
{
    private static TinyGraph s_graph = null!;
    private static string s_results = null!;
    private static string s_metrics = null!;
    private static int s_steps;

    [ClassInitialize]
    public static void TrainWithoutAStop(TestContext _)
    {
        s_graph = new TinyGraph();
        var heard = new Heard(task => s_steps += IsStep(task) ? 1 : 0);
        Trainer.Start(s_graph.Config(s_sets), s_graph["whole"], new(), heard, CancellationToken.None);
        (s_results, s_metrics) = (Results("whole"), Losses("whole"));
    }

    // A branch rate, learned weights and dropout: all that has a state of its own.
    private static readonly string[] s_sets =
    [
        "training.refit.learning_rate=0.05", "training.task_weights=uncertainty", "structure.dropout=0.1", "training.patience=2",
        "paths.enabled=true", "paths.hidden_size=4", "paths.layers=2", "paths.dropout=0.1", "paths.epochs=2", "paths.batch_size=200",
    ];

    [ClassCleanup]
    public static void Delete() => s_graph.Dispose();

    [TestMethod]
    [DataRow(2)]
    [DataRow(7)]
    public void CancelledEveryFewSteps_EndsTheSame(int steps)
    {
        var run = s_graph[$"cancelled{steps}"];
        for (var stops = 0; ; stops++)
        {
            Assert.IsLessThan(100, stops);
            using var source = new CancellationTokenSource();
            var left = steps;
            var heard = new Heard(task =>
            {
                if (IsStep(task) && --left == 0)
                {
                    source.Cancel();
                }
            });
            try
            {
                Go(run, stops == 0, heard, source.Token);
                Assert.IsGreaterThan(s_steps / (2 * steps), stops);
                break;
            }
            catch (OperationCanceledException)
            {
                Assert.IsFalse(File.Exists(Path.Combine(run, "results.json")));
            }
        }

        Assert.AreEqual(s_results, Results($"cancelled{steps}"));
        Assert.AreEqual(s_metrics, Losses($"cancelled{steps}"));
    }

    [TestMethod]
    [DataRow(0.1)]
    [DataRow(0.3)]
    [DataRow(0.5)]
    [DataRow(0.75)]
    [DataRow(0.95)]
    public void CrashedWithoutSaving_EndsTheSame(double share)
    {
        var (run, name) = (s_graph[$"crashed{share}"], $"crashed{share}");
        var left = (int)(share * s_steps);
        var crashing = new Heard(task =>
        {
            if (IsStep(task) && --left == 0)
            {
                throw new InvalidOperationException("crash");
            }
        });
        Assert.ThrowsExactly<InvalidOperationException>(() => Go(run, true, crashing, CancellationToken.None));
        Go(run, false, new Heard(), CancellationToken.None);
        Assert.AreEqual(s_results, Results(name));
        Assert.AreEqual(s_metrics, Losses(name));
    }

    private static void Go(string run, bool start, Heard heard, CancellationToken token)
    {
        if (start)
        {
            Trainer.Start(s_graph.Config(s_sets), run, new(), heard, token);
        }
        else
        {
            Trainer.Resume(run, heard, token);
        }
    }

    private static bool IsStep(string task) => task.Contains('/', StringComparison.Ordinal);

    private static string Results(string run) => TrainerTests.Metrics(File.ReadAllText(Path.Combine(s_graph[run], "results.json")));

    // Every event but for what a clock and the memory say.
    private static string Losses(string run) => string.Join('\n', TrainerTests.ReadMetrics(s_graph[run]).Select(line => string.Join(' ', line.EnumerateObject()
        .Where(value => value.Name is "event" or "stage" or "epoch" or "step" or "losses" or "branches").Select(value => value.Value.GetRawText()))));
}
