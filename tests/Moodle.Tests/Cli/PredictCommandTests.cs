using System.Text.Json;

namespace Moodle.Tests.Cli;

[TestClass]
public sealed class PredictCommandTests
{
    private static SmallRun s_run = null!;

    [ClassInitialize]
    public static void Train(TestContext _) => s_run = new SmallRun();

    [ClassCleanup]
    public static void Delete() => s_run.Dispose();

    [TestMethod]
    public void Tails_AreFoundByIdAndByName()
    {
        var byId = CommandLine.Done("predict", s_run.Path, "--head", "/t/07", "--relation", "road_to", "--top", "3");
        var byName = CommandLine.Done("predict", s_run.Path, "--head", "town 7", "--relation", "road to", "--top", "3");
        Assert.AreEqual(byId, byName);
        Assert.Contains("Town 7 — road to — ?", byId);
        foreach (var column in new[] { "answer", "id", "score", "probability", "shares", "known in" })
        {
            Assert.Contains(column, byId);
        }

        Assert.AreEqual(3, byId.Split('\n').Count(line => line.Contains("/t/", StringComparison.Ordinal)));
        Assert.Contains("structure", byId);
    }

    [TestMethod]
    public void Json_HasLabelsScoresSharesAndWhatIsKnown()
    {
        using var json = JsonDocument.Parse(CommandLine.Done("predict", s_run.Path, "--head", "Town 7", "--relation", "near", "--top", "60", "--json"));
        var result = json.RootElement.EnumerateArray().Single();
        Assert.AreEqual("tail", result.GetProperty("asked").GetString());
        Assert.AreEqual("/t/07", result.GetProperty("entity").GetString());
        var answers = result.GetProperty("answers").EnumerateArray().ToArray();
        Assert.HasCount(60, answers);
        Assert.AreEqual(1, answers.Sum(answer => answer.GetProperty("probability").GetDouble()), 1e-3);
        var scores = answers.Select(answer => answer.GetProperty("score").GetDouble()).ToArray();
        CollectionAssert.AreEqual(scores.OrderDescending().ToArray(), scores);
        Assert.IsTrue(answers.All(answer => Math.Abs(answer.GetProperty("shares").EnumerateObject().Sum(share => share.Value.GetDouble()) - 1) < 1e-6));
        CollectionAssert.IsSubsetOf(
            new[] { "structure", "text", "image" }, answers[0].GetProperty("shares").EnumerateObject().Select(share => share.Name).ToArray());
        // The first triple of each town is a training fact.
        Assert.AreEqual("train", answers.Single(answer => answer.GetProperty("label").GetString() == "/t/13").GetProperty("known").GetString());
        Assert.AreEqual("Town 13", answers.Single(answer => answer.GetProperty("label").GetString() == "/t/13").GetProperty("name").GetString());
    }

    [TestMethod]
    public void Heads_AreAskedForByTheTail()
    {
        using var json = JsonDocument.Parse(CommandLine.Done("predict", s_run.Path, "--tail", "/t/13", "--relation", "near", "--top", "60", "--json"));
        var result = json.RootElement.EnumerateArray().Single();
        Assert.AreEqual("head", result.GetProperty("asked").GetString());
        Assert.AreEqual("train", result.GetProperty("answers").EnumerateArray().Single(answer => answer.GetProperty("label").GetString() == "/t/07").GetProperty("known").GetString());
        Assert.Contains("? — near — Town 13", CommandLine.Done("predict", s_run.Path, "--tail", "/t/13", "--relation", "near"));
    }

    [TestMethod]
    public void New_LeavesOutWhatIsKnown()
    {
        using var json = JsonDocument.Parse(CommandLine.Done("predict", s_run.Path, "--head", "/t/07", "--relation", "near", "--top", "60", "--new", "--json"));
        var answers = json.RootElement[0].GetProperty("answers").EnumerateArray().ToArray();
        Assert.IsTrue(answers.Length < 60 && answers.All(answer => answer.GetProperty("known").ValueKind == JsonValueKind.Null));
        Assert.IsFalse(answers.Any(answer => answer.GetProperty("label").GetString() == "/t/13"));
    }

    [TestMethod]
    [DataRow("out.csv", ',')]
    [DataRow("out.tsv", '\t')]
    public void AFileOfQueries_GivesAFileOfAnswers(string name, char separator)
    {
        File.WriteAllText(s_run.Graph["queries.tsv"], "head\trelation\ttail\nTown 7\tnear\t\n?\troad_to\t/t/13\n");
        Assert.AreEqual("", CommandLine.Done("predict", s_run.Path, "--in", s_run.Graph["queries.tsv"], "--out", s_run.Graph[name], "--top", "4"));
        var rows = File.ReadAllLines(s_run.Graph[name]).Select(row => row.Split(separator)).ToArray();
        Assert.HasCount(1 + (2 * 4), rows);
        CollectionAssert.AreEqual(new[] { "head", "relation", "tail", "asked", "rank", "name", "score", "probability", "known" }, rows[0][..9]);
        Assert.IsTrue(rows[1..5].All(row => row is ["/t/07", "near", _, "tail", ..]));
        Assert.IsTrue(rows[5..].All(row => row is [_, "road_to", "/t/13", "head", ..]));

        using var json = JsonDocument.Parse(CommandLine.Done("predict", s_run.Path, "--in", s_run.Graph["queries.tsv"], "--json"));
        Assert.AreEqual(2, json.RootElement.GetArrayLength());
    }

    [TestMethod]
    public void Checkpoint_MayBeTheLast() =>
        Assert.Contains("/t/", CommandLine.Done("predict", s_run.Path, "--head", "/t/07", "--relation", "near", "--checkpoint", "last", "--device", "cpu"));
}
