using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Moodle.Tests.Cli;
using Moodle.Tests.Training;

namespace Moodle.Tests.Reporting;

[TestClass]
public sealed partial class ReportTests
{
    private static ReportRun s_run = null!;

    [ClassInitialize]
    public static void Train(TestContext _) => s_run = new ReportRun("seed=3");

    [ClassCleanup]
    public static void Delete() => s_run.Dispose();

    [TestMethod]
    public void EveryNumberOfThePage_StandsInTheJson()
    {
        var json = JsonNode.Parse(File.ReadAllText(s_run["results.json"]))!;
        var numbers = ReportFiles.Numbers(File.ReadAllText(s_run["report.html"]), json).ToArray();
        Assert.IsGreaterThan(500, numbers.Length);
        string[] wrong = [.. numbers.Where(number => number.Shown != number.Expected).Select(number => $"{number.Pointer}: {number.Shown} for {number.Expected}")];
        Assert.IsEmpty(wrong, string.Join('\n', wrong));
        foreach (var part in new[] { "/branches/fusion/both/mrr", "/branches/image/relations/rules/both/mrr", "/ranks_by_class/text/1", "/fusion_effects/structure/repaired", "/gate/all/text", "/text_lengths/0/mrr/fusion", "/pictures/0/mrr/image" })
        {
            Assert.IsTrue(numbers.Any(number => number.Pointer == part), part);
        }
    }

    [TestMethod]
    public void Json_SaysWhatEvaluateSays()
    {
        var file = s_run.Graph["evaluated.json"];
        CommandLine.Done("evaluate", s_run.Folder, "--json", file);
        Assert.AreEqual(TrainerTests.Metrics(File.ReadAllText(file)), TrainerTests.Metrics(File.ReadAllText(s_run["results.json"])));
        var markdown = File.ReadAllText(s_run["report.md"]);
        var fusion = JsonNode.Parse(File.ReadAllText(file))!["branches"]!["fusion"]!["both"]!;
        Assert.Contains($"| fusion | both | {fusion["mrr"]!.GetValue<double>():F4} |", markdown);
    }

    [TestMethod]
    public void Counts_AddUpToTheQueries()
    {
        var json = JsonNode.Parse(File.ReadAllText(s_run["results.json"]))!;
        const int Queries = 2 * TinyGraph.TestTriples;
        foreach (var (branch, counts) in json["ranks_by_class"]!.AsObject())
        {
            Assert.AreEqual(Queries, counts!.AsObject().Sum(count => count.Value!.GetValue<int>()));
            Assert.AreEqual(Math.Round(Queries * json["branches"]![branch]!["both"]!["hits_at_1"]!.GetValue<double>()), counts["1"]!.GetValue<int>(), 1e-9);
        }

        foreach (var (branch, effect) in json["fusion_effects"]!.AsObject())
        {
            Assert.AreEqual(Queries, effect!.AsObject().Sum(count => count.Value!.GetValue<int>()));
            Assert.AreEqual(json["ranks_by_class"]!["fusion"]!["1"]!.GetValue<int>(), effect["repaired"]!.GetValue<int>() + effect["both_right"]!.GetValue<int>());
            Assert.AreEqual(json["ranks_by_class"]![branch]!["1"]!.GetValue<int>(), effect["spoiled"]!.GetValue<int>() + effect["both_right"]!.GetValue<int>());
        }

        Assert.AreEqual(Queries, json["pictures"]!.AsArray().Sum(group => group!["queries"]!.GetValue<int>()));
        Assert.AreEqual(Queries, json["text_lengths"]!.AsArray().Sum(group => group!["queries"]!.GetValue<int>()));
        var gate = json["gate"]!["all"]!;
        Assert.AreEqual(1, gate["structure"]!.GetValue<double>() + gate["text"]!.GetValue<double>() + gate["image"]!.GetValue<double>(), 1e-5);
    }

    [TestMethod]
    public void Examples_MarkTheRightAnswerAndTheKnownOnes()
    {
        var html = File.ReadAllText(s_run["report.html"]);
        var examples = JsonNode.Parse(File.ReadAllText(s_run["results.json"]))!["examples"]!.AsArray();
        Assert.IsTrue(new[] { "chosen", "win", "loss", "random" }.All(kind => examples.Any(example => (string?)example!["kind"] == kind)));
        var shown = 0;
        foreach (var example in examples)
        {
            var answers = example!["answers"]!.AsArray();
            Assert.HasCount(10, answers);
            if (answers.FirstOrDefault(answer => (string?)answer!["name"] == (string?)example["gold"]) is { } gold)
            {
                shown++;
                Assert.IsNotNull(gold["known"], "its triple is in the test split at least");
                var place = gold["rank"]!.GetValue<int>();
                var knownBefore = answers.Take(place - 1).Count(answer => answer!["known"] is not null);
                Assert.AreEqual(place - knownBefore, example["ranks"]!["fusion"]!.GetValue<double>(), 1.01, "answers that are known do not count; scores within the tolerance are ties");
            }
        }

        Assert.AreEqual(shown, RightAnswerPattern().Count(html));
    }

    [TestMethod]
    public void Names_AreTextAndNothingElse()
    {
        var html = File.ReadAllText(s_run["report.html"]);
        Assert.HasCount(1, ScriptPattern().Matches(html), "one script, the program's own");
        Assert.DoesNotContain("<img", html);
        Assert.Contains(WebUtility.HtmlEncode(ReportRun.EvilName), html);
        Assert.Contains(WebUtility.HtmlEncode(ReportRun.EvilRelation), html);
        var markdown = File.ReadAllText(s_run["report.md"]);
        Assert.DoesNotContain("<script", markdown);
        Assert.DoesNotContain("[x](", markdown);
        Assert.IsTrue(markdown.Split('\n').Where(line => line.StartsWith('|')).Select(line => line.Replace("\\|", "", StringComparison.Ordinal)).Any(line => line.Contains("&lt;script&gt;", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void Page_NeedsNothingElse()
    {
        var html = File.ReadAllText(s_run["report.html"]);
        Assert.IsLessThan(5_000_000, html.Length);
        Assert.DoesNotContain("http://", html);
        Assert.DoesNotContain("https://", html);
        Assert.Contains("default-src &#39;none&#39;", html);
        Assert.Contains("data:image/webp;base64,", html);
        foreach (var part in new[] { "moodle resume ", "--set seed=3", "Loss terms of stage “unimodal”", "structure → text", "largest gains" })
        {
            Assert.Contains(part, html);
        }
    }

    [TestMethod]
    public void Trust_IsLoggedForEveryTeacherAndStudent()
    {
        var epochs = TrainerTests.ReadMetrics(s_run.Folder).Where(line => line.GetProperty("stage").GetString() == "unimodal" && line.GetProperty("event").GetString() == "epoch").ToArray();
        Assert.HasCount(3, epochs);
        foreach (var epoch in epochs)
        {
            double Of(string teacher, string student) => epoch.GetProperty("trust").GetProperty(teacher).GetProperty(student).GetDouble();
            Assert.AreEqual(1, Of("structure", "text") + Of("text", "structure"), 1e-5, "what one is above the other, the other is below");
            Assert.IsTrue(Of("image", "text") is > 0 and < 1);
        }
    }

    [TestMethod]
    public void ReportThatCannotBeWritten_CostsNoResults()
    {
        var folder = s_run.Graph["stubborn"];
        Directory.CreateDirectory(Path.Combine(folder, "report.md"));
        var trained = CommandLine.Run("train", s_run.Graph.ConfigFile, "--run", folder, "--set", "modalities=structure");
        Assert.AreEqual(0, trained.Code, trained.Error);
        Assert.Contains($"the results are safe, 'moodle report {folder}' tries again", trained.Error);
        Assert.IsNotNull(JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "results.json")))!["branches"]!["structure"]);
        Directory.Delete(Path.Combine(folder, "report.md"));
        Assert.Contains("report.html", CommandLine.Done("report", folder));
        Assert.DoesNotContain("Whom the fusion trusts", File.ReadAllText(Path.Combine(folder, "report.html")), "there is one branch");
    }

    [TestMethod]
    public void SeveralRuns_AreHeldAgainstTheFirst()
    {
        var other = s_run.Train("other", "seed=3", "guidance.enabled=false");
        var output = s_run.Graph["compared"];
        CommandLine.Done("report", s_run.Folder, other, s_run.Folder, "--out", output);
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(output, "results.json")))!;
        var mrr = json["runs"]!.AsArray().Select(run => run!["branches"]!["fusion"]!["both"]!["mrr"]!.GetValue<double>()).ToArray();
        var differences = json["comparison"]!["differences"]!;
        Assert.AreEqual(mrr[1] - mrr[0], differences["other"]!["mrr"]!.GetValue<double>(), 1e-12);
        Assert.AreEqual(0, differences["run (2)"]!["mrr"]!.GetValue<double>());
        Assert.AreEqual(1, differences["run (2)"]!["p"]!.GetValue<double>());
        Assert.AreEqual("false", (string?)json["comparison"]!["keys"]!["guidance.enabled"]!["other"]);
        Assert.HasCount(1, json["comparison"]!["keys"]!.AsObject());
        var html = File.ReadAllText(Path.Combine(output, "report.html"));
        string[] wrong = [.. ReportFiles.Numbers(html, json).Where(number => number.Shown != number.Expected).Select(number => number.ToString())];
        Assert.IsEmpty(wrong, string.Join('\n', wrong));
        Assert.Contains("guidance.enabled", html);
        Assert.HasCount(1, ScriptPattern().Matches(html));

        using var elsewhere = new TinyGraph(seed: 2);
        CommandLine.Done("train", elsewhere.ConfigFile, "--run", elsewhere["run"], "--set", "modalities=structure");
        CommandLine.Refused(["report", s_run.Folder, elsewhere["run"], "--out", output], elsewhere["run"], "was tested on other triples", "only runs on the same data set");
    }

    [GeneratedRegex("<td>right answer</td>")]
    private static partial Regex RightAnswerPattern();

    [GeneratedRegex("<script")]
    private static partial Regex ScriptPattern();
}
