using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Moodle.Tests.Cli;
using Moodle.Tests.Training;

namespace Moodle.Tests.Reporting;

/// <summary>The numbers of a report and of a comparison, all of them: those of the page, those of the JSON, and those of <c>evaluate</c>.</summary>
[TestClass]
public sealed partial class ReportNumbersTests
{
    private static readonly string[] s_sides = ["both", "head", "tail"];
    private static readonly string[] s_figures = ["mrr", "mr", "hits_at_1", "hits_at_3", "hits_at_5", "hits_at_10", "amri"];
    private static ReportRun s_run = null!;
    private static string s_other = null!;
    private static string s_compared = null!;
    // What 'evaluate' says of the run and of the other one.
    private static JsonNode s_evaluated = null!;
    private static JsonNode s_otherEvaluated = null!;

    [ClassInitialize]
    public static void Train(TestContext _)
    {
        s_run = new ReportRun("seed=3");
        s_other = s_run.Train("other", "seed=3", "guidance.enabled=false");
        s_compared = s_run.Graph["compared"];
        CommandLine.Done("report", s_run.Folder, s_other, s_run.Folder, "--out", s_compared);
        (s_evaluated, s_otherEvaluated) = (Evaluate(s_run.Folder), Evaluate(s_other));
    }

    [ClassCleanup]
    public static void Delete() => s_run.Dispose();

    [TestMethod]
    public void Page_ShowsWhatEvaluateSays_InEveryCell()
    {
        var shown = Shown(s_run.Folder);
        AssertShown(shown, "/branches/", s_evaluated, "/", Branches(s_evaluated).SelectMany(branch => Results(branch, s_sides).Concat(Relations(branch))).Concat(ModelRelations()));
        AssertEveryCellSaysItsPlace(s_run.Folder);
        Assert.AreEqual(TrainerTests.Metrics(s_evaluated.ToJsonString()), TrainerTests.Metrics(ReportFiles.Json(s_run["results.json"]).ToJsonString()));
    }

    [TestMethod]
    public void Comparison_ShowsWhatEvaluateSays_InEveryCell()
    {
        var (shown, json) = (Shown(s_compared), ReportFiles.Json(Path.Combine(s_compared, "results.json"))["comparison"]!);
        JsonNode[] evaluated = [s_evaluated, s_otherEvaluated, s_evaluated];
        string[] names = ["run", "other", "run (2)"];
        var relations = s_evaluated["branches"]!["fusion"]!["relations"]!.AsObject();
        double Mrr(int run, string? relation = null) => (relation is null ? evaluated[run]["branches"]!["fusion"]! : evaluated[run]["branches"]!["fusion"]!["relations"]![relation]!)["both"]!["mrr"]!.GetValue<double>();
        for (var run = 0; run < names.Length; run++)
        {
            var of = evaluated[run];
            AssertShown(shown, $"/runs/{run}/branches/", of, $"/runs/{run}/", Branches(of).SelectMany(branch => Results(branch, ["both"])));
            foreach (var (label, relation) in relations)
            {
                var place = $"/comparison/relations/{Escaped(label)}";
                Assert.AreEqual(Mrr(run, label).ToString("F4", CultureInfo.InvariantCulture), shown[$"{place}/mrr/{names[run]}"]);
                Assert.AreEqual(relation!["both"]!["count"]!.ToString(), shown[$"{place}/queries"]);
                if (run > 0)
                {
                    Assert.AreEqual(Signed(Mrr(run, label) - Mrr(0, label)), shown[$"{place}/difference/{names[run]}"]);
                }
            }

            if (run > 0)
            {
                var (place, difference) = ($"/comparison/differences/{names[run]}", json["differences"]![names[run]]!);
                Assert.AreEqual(Signed(Mrr(run) - Mrr(0)), shown[$"{place}/mrr"]);
                Assert.IsTrue(difference["interval"]![0]!.GetValue<double>() <= Mrr(run) - Mrr(0) && Mrr(run) - Mrr(0) <= difference["interval"]![1]!.GetValue<double>());
                Assert.IsTrue(shown.ContainsKey($"{place}/interval/0") && shown.ContainsKey($"{place}/interval/1") && shown.ContainsKey($"{place}/p"));
            }
        }

        Assert.AreEqual((4 * relations.Count) + (2 * relations.Count), shown.Keys.Count(key => key.StartsWith("/comparison/relations/", StringComparison.Ordinal)));
        AssertEveryCellSaysItsPlace(s_compared);
        Assert.AreEqual(0, json["differences"]!["run (2)"]!["mrr"]!.GetValue<double>());
        Assert.AreEqual(1, json["differences"]!["run (2)"]!["p"]!.GetValue<double>());
        Assert.AreEqual("false", (string?)json["keys"]!["guidance.enabled"]!["other"]);
        Assert.HasCount(1, json["keys"]!.AsObject());
        var html = File.ReadAllText(Path.Combine(s_compared, "report.html"));
        Assert.Contains("<button type=\"button\">guidance.<wbr>enabled</button>", html);
        Assert.AreEqual(1, html.Split("<script").Length - 1);
        Assert.Contains(IntervalTitle("other", json["differences"]!["other"]!), html);
    }

    [TestMethod]
    public void EveryOtherNumberOfThePage_StandsInTheJson()
    {
        var shown = Shown(s_run.Folder);
        Assert.IsGreaterThan(3000, shown.Count);
        foreach (var part in new[] { "/ranks_by_class/text/1", "/fusion_effects/structure/repaired", "/gate/all/text", "/text_lengths/0/mrr/fusion", "/pictures/0/mrr/image", "/history/fusion/epochs", "/examples/0/answers/9/rank" })
        {
            Assert.IsTrue(shown.ContainsKey(part), part);
        }

        var (html, run) = (WebUtility.HtmlDecode(File.ReadAllText(s_run["report.html"])), s_run.Json("results.json")["run"]!);
        string N(string key) => run[key]!.GetValue<double>().ToString("N0", CultureInfo.InvariantCulture);
        Assert.Contains($"<dd>data (mkgformer layout): {N("entities")} entities, {N("relations")} relations</dd>", html);
        Assert.Contains($"<dd>{N("train")} training, {N("validation")} validation, {N("test")} test</dd>", html);
        Assert.Contains($"<dd>{N("seed")}</dd>", html);
        Assert.Contains($"<dd>{N("training_seconds")} s in epochs", html);
    }

    [TestMethod]
    public void Charts_DrawTheNumbersOfTheJson()
    {
        var (html, json) = (File.ReadAllText(s_run["report.html"]), s_run.Json("results.json"));
        var history = json["history"]!.AsObject();
        foreach (var (stage, of) in history)
        {
            var chart = ReportFiles.Chart(html, $"Loss terms of the stage {stage} by epoch, logarithmic");
            Assert.Contains(FormattableString.Invariant($"Loss terms of stage “{stage}”: {of!["epochs"]!.GetValue<int>()} epochs in {of["seconds"]!.GetValue<double>():F1} s."), chart.Caption);
            AssertDrawn(chart, of["losses"]!.AsObject().ToDictionary(loss => loss.Key, loss => ReportFiles.Points(loss.Value!)), logarithmic: true);
        }

        // The epochs of stages that validate are counted on; a stage's value before its first epoch stands where the one before ended.
        var (lines, start) = (new Dictionary<string, List<(double X, double Y)>>(), 0);
        foreach (var (_, of) in history.Where(stage => stage.Value!["validation_mrr"]!.AsObject().Count > 0))
        {
            foreach (var (branch, points) in of!["validation_mrr"]!.AsObject())
            {
                lines.TryAdd(branch, []);
                lines[branch].AddRange(ReportFiles.Points(points!).Select(point => (point.X + start, point.Y)));
            }

            start += of["epochs"]!.GetValue<int>();
        }

        AssertDrawn(ReportFiles.Chart(html, "Validation MRR of every branch by epoch"), lines.ToDictionary(line => line.Key, line => line.Value.ToArray()), logarithmic: false);
        foreach (var (branch, counts) in json["ranks_by_class"]!.AsObject())
        {
            foreach (var (bin, count) in counts!.AsObject())
            {
                Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"<title>{branch}, {bin}: {count!.GetValue<double>() / (2 * TinyGraph.TestTriples):P1}</title>"), html);
            }
        }
    }

    [TestMethod]
    public void Markdown_HasTheSameResults()
    {
        foreach (var (file, place) in new[] { (s_run["report.md"], ""), (Path.Combine(s_compared, "report.md"), "/runs/0") })
        {
            var (text, shown) = (File.ReadAllText(file), Shown(Path.GetDirectoryName(file)!));
            foreach (var branch in Branches(s_evaluated))
            {
                var cells = s_figures.Select(figure => $"{shown[$"{place}/branches/{branch}/both/{figure}"]} ({shown[$"{place}/branches/{branch}/intervals/both/{figure}/0"]} to {shown[$"{place}/branches/{branch}/intervals/both/{figure}/1"]})");
                Assert.Contains($"| {(place.Length == 0 ? $"{branch} | both" : $"run | {branch}")} | {string.Join(" | ", cells)} |", text);
            }
        }
    }

    [TestMethod]
    public void Counts_AddUpToTheQueries()
    {
        var json = s_run.Json("results.json");
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
    public void OtherTestTriples_AreNotCompared()
    {
        using var elsewhere = new TinyGraph(seed: 2);
        CommandLine.Done("train", elsewhere.ConfigFile, "--run", elsewhere["run"], "--set", "modalities=structure");
        CommandLine.Refused(["report", s_run.Folder, elsewhere["run"], "--out", s_run.Graph["never"]], elsewhere["run"], "was tested on other triples", "only runs on the same data set");
    }

    private static JsonNode Evaluate(string run)
    {
        var file = s_run.Graph["evaluated.json"];
        CommandLine.Done("evaluate", run, "--json", file);
        return ReportFiles.Json(file);
    }

    private static IEnumerable<string> Branches(JsonNode json) => json["branches"]!.AsObject().Select(branch => branch.Key);

    /// <summary>Where the figures of a branch stand, with the ends of their intervals.</summary>
    private static IEnumerable<string> Results(string branch, string[] sides) =>
        from side in sides from figure in s_figures from place in new[] { $"{side}/{figure}", $"intervals/{side}/{figure}/0", $"intervals/{side}/{figure}/1" } select $"branches/{branch}/{place}";

    private static IEnumerable<string> Relations(string branch) => s_evaluated["branches"]![branch]!["relations"]!.AsObject().Select(relation => $"branches/{branch}/relations/{Escaped(relation.Key)}/both/mrr")
        .Concat(s_evaluated["branches"]![branch]!["categories"]!.AsObject().Select(category => $"branches/{branch}/categories/{category.Key}/both/mrr")).Append($"branches/{branch}/macro/both/mrr");

    private static IEnumerable<string> ModelRelations() => s_evaluated["branches"]!["fusion"]!["relations"]!.AsObject()
        .SelectMany(relation => new[] { "both/count", "head/mrr", "tail/mrr" }.Select(figure => $"branches/fusion/relations/{Escaped(relation.Key)}/{figure}"))
        .Concat(s_evaluated["branches"]!["fusion"]!["categories"]!.AsObject().Select(category => $"branches/fusion/categories/{category.Key}/both/count")).Append("branches/fusion/macro/both/count");

    private static string Escaped(string key) => key.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);

    private static string Signed(double value) => value.ToString("+0.0000;-0.0000;0.0000", CultureInfo.InvariantCulture);

    private static string IntervalTitle(string run, JsonNode difference) =>
        $"<title>{run}: {Signed(difference["mrr"]!.GetValue<double>())}, {Signed(difference["interval"]![0]!.GetValue<double>())} to {Signed(difference["interval"]![1]!.GetValue<double>())}</title>";

    /// <summary>What a page shows, by where it stands in the JSON beside it; each number is compared with that.</summary>
    private static Dictionary<string, string> Shown(string folder)
    {
        var numbers = ReportFiles.Numbers(File.ReadAllText(Path.Combine(folder, "report.html")), ReportFiles.Json(Path.Combine(folder, "results.json"))).ToArray();
        string[] wrong = [.. numbers.Where(number => number.Shown != number.Expected).Select(number => $"{number.Pointer}: {number.Shown} for {number.Expected}")];
        Assert.IsEmpty(wrong, string.Join('\n', wrong));
        return numbers.DistinctBy(number => number.Pointer).ToDictionary(number => number.Pointer, number => number.Shown);
    }

    /// <summary>What a page shows below a place is all that is expected there, no more, and as another JSON says it.</summary>
    private static void AssertShown(Dictionary<string, string> shown, string below, JsonNode json, string prefix, IEnumerable<string> expected)
    {
        var wanted = expected.ToArray();
        CollectionAssert.AreEquivalent(wanted.Select(place => prefix + place).ToArray(), shown.Keys.Where(key => key.StartsWith(below, StringComparison.Ordinal)).ToArray());
        foreach (var place in wanted)
        {
            var format = place.EndsWith("count", StringComparison.Ordinal) ? "F0" : place.Contains("/mr", StringComparison.Ordinal) && !place.Contains("/mrr", StringComparison.Ordinal) ? "F1" : "F4";
            Assert.AreEqual(ReportFiles.At(json, "/" + place)?.GetValue<double>().ToString(format, CultureInfo.InvariantCulture) ?? "–", shown[prefix + place], place);
        }
    }

    /// <summary>No number stands in a table without the place where the JSON has it.</summary>
    private static void AssertEveryCellSaysItsPlace(string folder)
    {
        var cells = CellPattern().Matches(File.ReadAllText(Path.Combine(folder, "report.html")));
        Assert.IsGreaterThan(50, cells.Count);
        foreach (Match cell in cells)
        {
            var rest = TagPattern().Replace(KeyedPattern().Replace(cell.Value, ""), "").Trim();
            Assert.IsTrue(cell.Value.StartsWith("<td class=\"n\" data-key=", StringComparison.Ordinal) || rest is "to" or "–", cell.Value);
        }
    }

    /// <summary>A chart has these lines, each through its points: pixels follow from numbers by one scale for each axis.</summary>
    private static void AssertDrawn((string Caption, Dictionary<string, (string Title, (double X, double Y)[] Pixels)> Lines) chart, Dictionary<string, (double X, double Y)[]> lines, bool logarithmic)
    {
        CollectionAssert.AreEquivalent(lines.Keys, chart.Lines.Keys);
        var pairs = new List<((double X, double Y) Number, (double X, double Y) Pixel)>();
        foreach (var (name, points) in lines)
        {
            var (title, pixels) = chart.Lines[name];
            Assert.AreEqual(string.Create(CultureInfo.InvariantCulture, $"{name}: last {points[^1].Y:G4} at {points[^1].X:0.##}"), title);
            Assert.HasCount(points.Length, pixels, name);
            pairs.AddRange(points.Select(point => (point.X, logarithmic ? Math.Log10(point.Y) : point.Y)).Zip(pixels));
        }

        AssertLinear([.. pairs.Select(pair => (pair.Number.X, pair.Pixel.X))]);
        AssertLinear([.. pairs.Select(pair => (pair.Number.Y, pair.Pixel.Y))]);
    }

    private static void AssertLinear((double Number, double Pixel)[] pairs)
    {
        var (least, most) = (pairs.MinBy(pair => pair.Number), pairs.MaxBy(pair => pair.Number));
        var scale = (most.Pixel - least.Pixel) / (most.Number - least.Number);
        foreach (var (number, pixel) in pairs.Where(_ => most.Number > least.Number))
        {
            Assert.AreEqual(least.Pixel + ((number - least.Number) * scale), pixel, 0.21, $"{number}");
        }
    }

    [GeneratedRegex("<td class=\"n\".*?</td>", RegexOptions.Singleline)]
    private static partial Regex CellPattern();

    [GeneratedRegex("<span data-key=[^>]*>[^<]*</span>")]
    private static partial Regex KeyedPattern();

    [GeneratedRegex("<[^>]*>")]
    private static partial Regex TagPattern();
}
