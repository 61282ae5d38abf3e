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

    [GeneratedRegex("<td>right answer</td>")]
    private static partial Regex RightAnswerPattern();

    [GeneratedRegex("<script")]
    private static partial Regex ScriptPattern();
}
