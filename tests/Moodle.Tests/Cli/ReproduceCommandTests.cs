using System.Globalization;
using System.Text.Json;
using Moodle.Tests.Training;

namespace Moodle.Tests.Cli;

[TestClass]
public sealed class ReproduceCommandTests
{
    [TestMethod]
    public void ARecordedFigure_IsHeldAgainstAnotherRun()
    {
        using var small = new SmallRun("modalities=structure", "seed=3");
        Assert.AreEqual(0, small.Trained.Code, small.Trained.Error);
        using var results = JsonDocument.Parse(File.ReadAllText(Path.Combine(small.Path, "results.json")));
        var mrr = results.RootElement.GetProperty("branches").GetProperty("structure").GetProperty("both").GetProperty("mrr").GetDouble();
        var config = small.Graph["alone.yaml"];
        File.WriteAllText(config, File.ReadAllText(small.Graph.ConfigFile) + "\nmodalities: [structure]\n");

        Record(small.Graph, ("alone", mrr));
        var same = CommandLine.Run("reproduce", config, "--run", small.Graph["again"]);
        Assert.AreEqual(0, same.Code, same.Error);
        Assert.Contains("holds", same.Out);

        Record(small.Graph, ("alone", mrr + 0.02));
        var other = CommandLine.Run("reproduce", config, "--run", small.Graph["again"], "--force");
        Assert.AreEqual(1, other.Code);
        Assert.Contains("-0.0200", other.Out);
        Assert.Contains("differs", other.Out);

        Record(small.Graph, ("another", mrr));
        var none = CommandLine.Run("reproduce", config, "--run", small.Graph["none"]);
        Assert.AreEqual(2, none.Code);
        Assert.Contains("recorded are another", none.Error);
        Assert.IsFalse(Directory.Exists(small.Graph["none"]));
    }

    private static void Record(TinyGraph graph, (string Configuration, double Mrr) figure) => File.WriteAllText(
        graph["recorded.csv"],
        string.Create(CultureInfo.InvariantCulture, $"configuration,seed,branch,mrr,tolerance,measured\n{figure.Configuration},3,structure,{figure.Mrr},0.0001,here\n"));
}
