namespace Moodle.Tests.Cli;

[TestClass]
public sealed class MoodleCommandTests
{
    [TestMethod]
    public void Help_NamesEveryCommand()
    {
        var help = CommandLine.Done("--help");
        foreach (var command in new[] { "train", "resume", "evaluate", "tune", "predict", "data", "bench", "doctor" })
        {
            Assert.MatchesRegex($@"\n  {command}\b", help);
            Assert.Contains("Usage:", CommandLine.Done(command, "--help"));
        }
    }

    [TestMethod]
    public void Version_IsANumber() => Assert.MatchesRegex(@"^\d+\.\d+\.\d+", CommandLine.Done("--version"));

    [TestMethod]
    public void Options_AreTheDocumentedOnes()
    {
        foreach (var (command, options) in new[]
        {
            ("train", "--set --run --seed --device --force"),
            ("tune", "--set --run --tries --seed --device --force"),
            ("evaluate", "--split --checkpoint --json --ranks --device"),
            ("predict", "--head --relation --tail --top --new --in --out --json --checkpoint --device"),
        })
        {
            var help = CommandLine.Done(command, "--help");
            foreach (var option in options.Split(' '))
            {
                Assert.Contains($"  {option} ", help);
            }
        }
    }

    [TestMethod]
    [DataRow("moodle: a command is missing: train, encode, resume, evaluate, reproduce, tune, predict, report, explore, data, bench, doctor; 'moodle --help' shows what can be given")]
    [DataRow("moodle: unknown command 'trian', did you mean 'train'?; 'moodle --help' shows what can be given", "trian", "x.yaml")]
    [DataRow("moodle: unknown command 'xyzzy'; 'moodle --help' shows what can be given", "xyzzy")]
    [DataRow("moodle: unknown option '--sead', did you mean '--seed'?; 'moodle train --help' shows what can be given", "train", "x.yaml", "--sead", "3")]
    [DataRow("moodle: unknown command 'inspet', did you mean 'inspect'?; 'moodle data --help' shows what can be given", "data", "inspet", "x")]
    [DataRow("moodle: CONFIG is missing; 'moodle train --help' shows what can be given", "train")]
    [DataRow("moodle: 'b' is one argument too many; 'moodle resume --help' shows what can be given", "resume", "a", "b")]
    [DataRow("moodle: --seed: 'one' is no whole number; 'moodle train --help' shows what can be given", "train", "x.yaml", "--seed", "one")]
    [DataRow("moodle: --top: '0' is no whole number of at least 1; 'moodle predict --help' shows what can be given", "predict", "run", "--top", "0")]
    [DataRow("moodle: --split: 'train' is no split to rank; expected test or validation; 'moodle evaluate --help' shows what can be given", "evaluate", "run", "--split", "train")]
    public void AWrongCommandLine_GetsOneLine(string line, params string[] args)
    {
        var answer = CommandLine.Run(args);
        Assert.AreEqual((2, "", line), (answer.Code, answer.Out, answer.Error.TrimEnd('\n')));
    }

    [TestMethod]
    public void Verbose_ShowsWhere()
    {
        Assert.DoesNotContain("   at ", CommandLine.Run("train", "nowhere.yaml").Error);
        Assert.Contains("   at Moodle.", CommandLine.Run("train", "nowhere.yaml", "--verbose").Error);
    }
}
