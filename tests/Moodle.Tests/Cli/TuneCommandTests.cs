using Moodle.Configuration;
using Moodle.Tests.Training;

namespace Moodle.Tests.Cli;

[TestClass]
public sealed class TuneCommandTests
{
    private const string Space = "tries: 2\nkeep: 2\nrungs: 2\nspace:\n  structure.rank: {from: 4, to: 16}\n  structure.n3: [0.01, 0.1]\n";

    [TestMethod]
    public void ASearch_PrintsItsTable_WarnsOfTheFigure_AndGoesOnOnlyWithTheSame()
    {
        using var graph = new TinyGraph();
        File.WriteAllText(graph["space.yaml"], Space);
        string[] line = ["tune", graph.ConfigFile, graph["space.yaml"], "--run", graph["search"], "--set", "modalities=structure", "--set", "training.unimodal.epochs=2"];
        var answer = CommandLine.Run(line);
        Assert.AreEqual(0, answer.Code, answer.Error);
        Assert.MatchesRegex(@"\| try \| rung \| validation MRR \| +rank \| +n3 \|", answer.Out);
        Assert.Contains("chosen among 3 configurations", answer.Out);
        Assert.Contains("is optimistic", answer.Out);
        Assert.Contains($"'moodle train {graph["search"]}/best.yaml'", answer.Out);
        Assert.Contains("rung 1, 1 of 3: try 0 (the configuration itself): validation MRR 0.", answer.Error);
        Assert.MatchesRegex(@"rung 1, 2 of 3: try 1 \(structure.rank=\d+, structure.n3=[0-9.]+\): validation MRR 0\.\d{4} in [0-9.]+ s; best of the rung 0\.\d{4} \(try \d\); about 0:\d\d:\d\d left", answer.Error);
        Assert.AreEqual(5 + 1, File.ReadAllLines(Path.Combine(graph["search"], "tune.csv")).Length);

        var again = CommandLine.Run(line);
        Assert.AreEqual((0, answer.Out), (again.Code, again.Out), "nothing is trained again");
        Assert.AreEqual(0, CommandLine.Run([.. line, "--tries", "3"]).Code);
        CommandLine.Refused([.. line, "--seed", "2"], graph["search"], "holds another search", "'seed' was 1 and is 2", "--force");
        File.WriteAllText(graph["space.yaml"], Space.Replace("to: 16", "to: 17", StringComparison.Ordinal));
        CommandLine.Refused(line, "'structure.rank' was {from: 4, to: 16, scale: linear} and is {from: 4, to: 17", "--force");
        File.WriteAllText(graph["space.yaml"], Space.Replace("keep: 2", "keep: 3", StringComparison.Ordinal));
        CommandLine.Refused(line, "'keep' was 2 and is 3");
        File.AppendAllText(Path.Combine(graph.Data, "train.tsv"), "/t/01\tnear\t/t/02\n");
        File.WriteAllText(graph["space.yaml"], Space);
        CommandLine.Refused(line, "its training triples", "--force");
        Assert.AreEqual(0, CommandLine.Run([.. line, "--force", "--seed", "2"]).Code);
        Assert.AreEqual(2, ConfigLoader.Load(Path.Combine(graph["search"], "best.yaml"), []).Seed);
        Assert.AreEqual(0, CommandLine.Run("train", Path.Combine(graph["search"], "best.yaml"), "--run", graph["run"]).Code);
        CommandLine.Refused(["tune", graph.ConfigFile, graph["space.yaml"], "--run", graph["run"]], graph["run"], "holds a run", "another --run");
    }

    [TestMethod]
    public void CtrlC_SavesAndTheSameCommandGoesOn()
    {
        using var graph = new TinyGraph();
        File.WriteAllText(graph["space.yaml"], "tries: 1\nrungs: 1\nspace:\n  structure.rank: [4]\n");
        string[] line = ["tune", graph.ConfigFile, graph["space.yaml"], "--run", graph["search"], "--set", "modalities=structure", "--set", "training.unimodal.epochs=1500", "--set", "training.patience=0", "--set", "training.validate_every=50"];
        var log = Path.Combine(graph["search"], "try-001", "rung-1", "log.txt");
        using (var process = MoodleProcess.Start(line))
        {
            process.Until(() => File.Exists(log) && File.ReadAllText(log).Contains("unimodal 5/", StringComparison.Ordinal), "the middle of try 1");
            process.Interrupt();
            var end = process.End();
            Assert.AreEqual(130, end.Code, end.Error);
            Assert.AreEqual("moodle: interrupted; the same command goes on from here", end.Error.TrimEnd('\n').Split('\n')[^1]);
            Assert.AreEqual("", end.Out);
        }

        Assert.Contains("chosen among 2 configurations", CommandLine.Done(line));
        Assert.Contains("resuming in stage 'unimodal'", File.ReadAllText(log));
    }
}
