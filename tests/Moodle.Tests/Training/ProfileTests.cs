using System.Text.Json;
using Moodle.Training;

namespace Moodle.Tests.Training;

[TestClass]
public sealed class ProfileTests
{
    [TestMethod]
    public void AProfiledRun_TellsWhereItsTimeWent_BesideTheDevicesCeilings()
    {
        using var graph = new TinyGraph();
        var heard = new Heard();
        var run = graph["run"];
        Trainer.Start(graph.Config(["training.unimodal.epochs=2", "training.fusion.epochs=1"]), run, new() { Profile = true }, heard, CancellationToken.None);
        using var profile = JsonDocument.Parse(File.ReadAllText(Path.Combine(run, "profile.json")));
        var root = profile.RootElement;
        var parts = root.GetProperty("parts").EnumerateArray().ToDictionary(part => part.GetProperty("name").GetString()!);
        foreach (var name in new[] { "data", "audit", "encode text: forward", "unimodal: forward", "unimodal: backward", "unimodal: optimizer", "unimodal: validation", "fusion: balance", "test" })
        {
            Assert.IsTrue(parts.ContainsKey(name), name);
        }

        Assert.AreEqual(parts["unimodal: forward"].GetProperty("calls").GetInt32(), parts["unimodal: backward"].GetProperty("calls").GetInt32());
        Assert.IsGreaterThan(0, parts["unimodal: forward"].GetProperty("of_matrix_ceiling").GetDouble());
        Assert.IsGreaterThan(0, root.GetProperty("matrix_ceiling_teraflops").GetDouble());
        Assert.IsGreaterThan(0, root.GetProperty("copy_ceiling_gigabytes_per_second").GetDouble());
        // Parts do not lie within each other: with what has no name they make up the whole.
        var seconds = parts.Values.Sum(part => part.GetProperty("seconds").GetDouble()) + root.GetProperty("other_seconds").GetDouble();
        Assert.AreEqual(root.GetProperty("seconds").GetDouble(), seconds, 0.05);
        Assert.IsGreaterThanOrEqualTo(0, root.GetProperty("other_seconds").GetDouble());
        Assert.IsTrue(heard.Messages.Any(message => message.StartsWith("profile: unimodal: forward", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void AnOrdinaryRun_MeasuresNothing()
    {
        using var graph = new TinyGraph();
        Trainer.Start(graph.Config(["modalities=structure", "training.unimodal.epochs=1"]), graph["run"], new(), new Heard(), CancellationToken.None);
        Assert.IsFalse(File.Exists(Path.Combine(graph["run"], "profile.json")));
    }
}
