using System.Text.Json;
using Moodle.Tests.Training;

namespace Moodle.Tests.Cli;

[TestClass]
public sealed class DataCommandTests
{
    [TestMethod]
    public void Inspect_ShowsWhatIsThereAndWhatIsWrong()
    {
        using var graph = new TinyGraph();
        File.AppendAllText(Path.Combine(graph.Data, "test.tsv"), File.ReadLines(Path.Combine(graph.Data, "train.tsv")).First() + "\n/t/new\tnear\t/t/01\n");
        var output = CommandLine.Done("data", "inspect", graph.Data, "--json", graph["audit/audit.json"]);
        Assert.Contains("mkgformer", output);
        Assert.Contains("warning: test: 1 of 42 (2.4 %) triples stand in train as well; figures on it flatter", output);
        Assert.DoesNotContain("\u001b", output);

        using var json = JsonDocument.Parse(File.ReadAllText(graph["audit/audit.json"]));
        var audit = json.RootElement;
        Assert.AreEqual("mkgformer", audit.GetProperty("layout").GetString());
        Assert.AreEqual(61, audit.GetProperty("entities").GetInt32());
        Assert.AreEqual(5, audit.GetProperty("relations").GetInt32());
        foreach (var split in new[] { "train", "validation", "test" })
        {
            foreach (var key in new[] { "triples", "distinct", "also_in_train", "also_in_validation", "also_in_test", "unseen_entities" })
            {
                Assert.IsGreaterThanOrEqualTo(0, audit.GetProperty("splits").GetProperty(split).GetProperty(key).GetInt32());
            }
        }

        var test = audit.GetProperty("splits").GetProperty("test");
        Assert.AreEqual((42, 1, 1), (test.GetProperty("triples").GetInt32(), test.GetProperty("also_in_train").GetInt32(), test.GetProperty("unseen_entities").GetInt32()));
        Assert.AreEqual((60, 54), (audit.GetProperty("text").GetProperty("names").GetInt32(), audit.GetProperty("text").GetProperty("descriptions").GetInt32()));
        Assert.AreEqual((30, 30), (audit.GetProperty("images").GetProperty("entities").GetInt32(), audit.GetProperty("images").GetProperty("files").GetInt32()));
    }
}
