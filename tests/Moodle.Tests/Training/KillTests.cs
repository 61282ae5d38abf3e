using Moodle.Tests.Cli;
using Moodle.Training;

namespace Moodle.Tests.Training;

/// <summary>Real processes that are killed and interrupted at work, and resumed.</summary>
[TestClass]
public sealed class KillTests
{
    private static readonly string[] s_long =
    [
        "training.checkpoint_seconds=1", "training.patience=0", "training.validate_every=20", "evaluation.bootstrap_samples=0",
        "text.pretrain.epochs=20", "image.pretrain.epochs=20", "training.unimodal.epochs=40", "training.fusion.epochs=40", "training.refit.epochs=20",
    ];

    [TestMethod]
    public void KilledInEveryStage_EndsAsIfNeverStopped()
    {
        using var graph = new TinyGraph();
        var run = graph["killed"];
        // Before the stage's first checkpoint, and after one or, on a fast machine, late in the stage.
        KilledOnce("encode text", (_, log) => log.Contains("encode text 2/", StringComparison.Ordinal), ["train", graph.ConfigFile, "--run", run, .. s_long.SelectMany(set => (string[])["--set", set])]);
        KilledOnce("encode image", (last, log) => last?.Stage == "encode image" || log.Contains("encode image 15/", StringComparison.Ordinal), ["resume", run]);
        KilledOnce("unimodal", (last, log) => last is { Stage: "unimodal", Epoch: > 0 } || log.Contains("unimodal 30/", StringComparison.Ordinal), ["resume", run]);
        KilledOnce("fusion", (_, log) => log.Contains("fusion 3/", StringComparison.Ordinal), ["resume", run]);
        KilledOnce("fusion", (last, log) => last is { Stage: "fusion", Epoch: > 0 } || log.Contains("fusion 30/", StringComparison.Ordinal), ["resume", run]);
        KilledOnce("refit", (_, log) => log.Contains("refit 5/", StringComparison.Ordinal), ["resume", run]);
        using (var resumed = MoodleProcess.Start("resume", run))
        {
            var end = resumed.End();
            Assert.AreEqual(0, end.Code, end.Error);
            Assert.Contains("resuming in stage 'refit'", end.Error);
            Assert.Contains("results.json", end.Out);
        }

        Trainer.Start(graph.Config(s_long), graph["whole"], new(), new Heard(), CancellationToken.None);
        Assert.AreEqual(Results(graph["whole"]), Results(run));

        void KilledOnce(string stage, Func<TrainingState?, string, bool> when, string[] args)
        {
            using var process = MoodleProcess.Start(args);
            var before = Log(run).Length;
            process.Until(() => when(Last(run), Log(run)[before..]), $"the middle of {stage}");
            if (stage == "unimodal")
            {
                CommandLine.Refused(["resume", run], run, "another moodle process works on this run");
                CommandLine.Refused(["train", graph.ConfigFile, "--run", run, "--force"], run, "another moodle process works on this run");
            }

            process.Kill();
            Assert.IsFalse(File.Exists(Path.Combine(run, "results.json")));
        }
    }

    [TestMethod]
    public void CtrlC_SavesSaysHowToGoOnAndEndsTheSame()
    {
        using var graph = new TinyGraph();
        string[] sets = ["modalities=structure", "training.unimodal.epochs=1500", "training.patience=0", "training.validate_every=50"];
        var run = graph["interrupted"];
        using (var process = MoodleProcess.Start(["train", graph.ConfigFile, "--run", run, .. sets.SelectMany(set => (string[])["--set", set])]))
        {
            process.Until(() => Log(run).Contains("unimodal 5/", StringComparison.Ordinal), "the middle of unimodal");
            process.Interrupt();
            var end = process.End();
            Assert.AreEqual(130, end.Code, end.Error);
            Assert.AreEqual($"moodle: interrupted; 'moodle resume {run}' goes on from here", end.Error.TrimEnd('\n').Split('\n')[^1]);
            Assert.Contains("finishing this step and saving", end.Error);
            Assert.AreEqual("", end.Out);
        }

        var last = Last(run)!;
        Assert.IsTrue(last is { Stage: "unimodal", StageEnded: false } && last.GlobalStep >= 5 * 6, last.ToJson());
        Trainer.Resume(run, new Heard(), CancellationToken.None);
        Trainer.Start(graph.Config(sets), graph["whole"], new(), new Heard(), CancellationToken.None);
        Assert.AreEqual(Results(graph["whole"]), Results(run));
    }

    private static string Results(string run) => TrainerTests.Metrics(File.ReadAllText(Path.Combine(run, "results.json")));

    private static string Log(string run) => File.Exists(Path.Combine(run, "log.txt")) ? File.ReadAllText(Path.Combine(run, "log.txt")) : "";

    private static TrainingState? Last(string run)
    {
        var path = RunFolder.CheckpointsOf(run).JsonPath("last");
        return File.Exists(path) ? TrainingState.Read(path) : null;
    }
}
