using System.Globalization;
using System.Text.Json;
using CsvHelper;
using Moodle.Evaluation;
using Moodle.Graphs;
using Moodle.Tests.Support;

namespace Moodle.Tests.Evaluation;

[TestClass]
public sealed class EvaluationFilesTests
{
    private static readonly string[] Branches = ["fusion", "structure", "text", "image"];
    private static readonly string[] Figures = ["mrr", "mr", "hits_at_1", "hits_at_3", "hits_at_5", "hits_at_10", "amri", "count"];
    private static readonly string[] Sides = ["both", "head", "tail"];

    [NoTensorLeak]
    public void Json_HasExactlyTheKeysThatScriptsReadItBy()
    {
        var (_, report, _) = Evaluate();
        using var folder = TestData.NewFolder();
        EvaluationJson.Write(folder["results.json"], report);
        using var json = JsonDocument.Parse(File.ReadAllText(folder["results.json"]));
        var root = json.RootElement;
        AssertKeys(root, "split", "ranks", "filter", "entities", "split_triples", "ranked_triples", "queries", "seconds", "scoring_seconds", "tolerance", "bootstrap", "data_notes", "branches");
        Assert.AreEqual("test", root.GetProperty("split").GetString());
        Assert.AreEqual("realistic", root.GetProperty("ranks").GetString());
        Assert.AreEqual("train validation test", string.Join(' ', root.GetProperty("filter").EnumerateArray().Select(split => split.GetString())));
        AssertKeys(root.GetProperty("branches"), Branches);
        foreach (var branch in Branches.Select(name => root.GetProperty("branches").GetProperty(name)))
        {
            AssertKeys(branch, [.. Sides, "ties", "intervals", "relations", "categories", "macro"]);
            AssertSides(branch);
            AssertKeys(branch.GetProperty("ties"), "optimistic", "pessimistic");
            AssertSides(branch.GetProperty("ties").GetProperty("optimistic"), only: true);
            AssertSides(branch.GetProperty("ties").GetProperty("pessimistic"), only: true);
            AssertSides(branch.GetProperty("macro"), only: true);
            AssertKeys(branch.GetProperty("intervals").GetProperty("head"), "mrr", "mr", "hits_at_1", "hits_at_3", "hits_at_5", "hits_at_10", "amri");
            Assert.AreEqual(2, branch.GetProperty("intervals").GetProperty("both").GetProperty("mrr").GetArrayLength());
            foreach (var relation in branch.GetProperty("relations").EnumerateObject())
            {
                AssertKeys(relation.Value, ["name", "category", .. Sides]);
                AssertSides(relation.Value);
            }

            foreach (var category in branch.GetProperty("categories").EnumerateObject())
            {
                Assert.Contains(category.Name, (string[])["1-1", "1-N", "N-1", "N-N"]);
                AssertSides(category.Value, only: true);
            }
        }
    }

    [NoTensorLeak]
    public void Json_CarriesTheFiguresOfTheReport()
    {
        var (_, report, _) = Evaluate();
        var json = EvaluationJson.ToJson(report)["branches"]!["text"]!;
        var text = report.Branches[2];
        Assert.AreEqual(text.Realistic.Head.Mrr, (double)json["head"]!["mrr"]!);
        Assert.AreEqual(text.Optimistic.Both.HitsAt5, (double)json["ties"]!["optimistic"]!["both"]!["hits_at_5"]!);
        Assert.AreEqual(text.Pessimistic.Tail.Amri, (double)json["ties"]!["pessimistic"]!["tail"]!["amri"]!);
        Assert.AreEqual(text.Intervals!.Both.HitsAt10.High, (double)json["intervals"]!["both"]!["hits_at_10"]![1]!);
        Assert.AreEqual(text.Realistic.Both.Count, (long)json["both"]!["count"]!);
    }

    [NoTensorLeak]
    public void UndefinedFigures_AreNull_AndNoSamplesMeansNoIntervals()
    {
        // One entity alone: nothing to be ranked against.
        var graph = EvaluationData.Graph(1, 1, [], [], [new(0, 0, 0)]);
        var (report, _) = SplitEvaluation.Run(new TableScorer(1, 1, ["fusion"], (_, _, _, _) => 0), graph, Split.Test, new() { BootstrapSamples = 0 });
        var json = EvaluationJson.ToJson(report);
        Assert.IsNull(json["branches"]!["fusion"]!["both"]!["amri"]);
        Assert.AreEqual(1.0, (double)json["branches"]!["fusion"]!["both"]!["mrr"]!);
        Assert.IsNull(json["bootstrap"]);
        Assert.IsNull(json["branches"]!["fusion"]!["intervals"]);
        Assert.Contains("\"amri\":null", json.ToJsonString());
    }

    [NoTensorLeak]
    public void RanksFile_ComesBackAsWritten()
    {
        var (graph, report, ranks) = Evaluate();
        using var folder = TestData.NewFolder();
        RanksFile.Write(folder["ranks.csv"], ranks, graph);
        Assert.HasCount(1, Directory.GetFiles(folder.Path));
        Assert.AreEqual("head,relation,tail,side,branch,rank_optimistic,rank_pessimistic,rank_realistic,candidates", File.ReadLines(folder["ranks.csv"]).First());
        using var csv = new CsvReader(new StreamReader(folder["ranks.csv"]), CultureInfo.InvariantCulture);
        csv.Read();
        csv.ReadHeader();
        for (var triple = 0; triple < graph.Test.Length; triple++)
        {
            foreach (var side in (QuerySide[])[QuerySide.Tail, QuerySide.Head])
            {
                for (var branch = 0; branch < Branches.Length; branch++)
                {
                    Assert.IsTrue(csv.Read());
                    Assert.AreEqual(graph.Entities[graph.Test[triple].Head], csv.GetField("head"));
                    Assert.AreEqual(graph.Relations[graph.Test[triple].Relation], csv.GetField("relation"));
                    Assert.AreEqual(graph.Entities[graph.Test[triple].Tail], csv.GetField("tail"));
                    Assert.AreEqual(side == QuerySide.Tail ? "tail" : "head", csv.GetField("side"));
                    Assert.AreEqual(Branches[branch], csv.GetField("branch"));
                    var rank = ranks[branch, triple, side];
                    Assert.AreEqual(rank, new Rank(csv.GetField<int>("rank_optimistic"), csv.GetField<int>("rank_pessimistic"), csv.GetField<int>("candidates")));
                    Assert.AreEqual(rank.Realistic, csv.GetField<double>("rank_realistic"));
                }
            }
        }

        Assert.IsFalse(csv.Read());
        Assert.AreEqual(graph.Test.Length, report.RankedTriples);
    }

    private static (KnowledgeGraph Graph, EvaluationReport Report, SplitRanks Ranks) Evaluate()
    {
        var graph = EvaluationData.Random(31);
        var random = new Random(31);
        var table = Enumerable.Range(0, 4 * 8 * 37 * 37).Select(_ => (float)random.Next(20)).ToArray();
        var scorer = new TableScorer(37, 4, Branches, (b, e, r, c) => table[((b * 8 + r) * 37 + e) * 37 + c]);
        var (report, ranks) = SplitEvaluation.Run(scorer, graph, Split.Test, new() { BootstrapSamples = 50 });
        return (graph, report, ranks);
    }

    private static void AssertSides(JsonElement element, bool only = false)
    {
        if (only)
        {
            AssertKeys(element, Sides);
        }

        foreach (var side in Sides)
        {
            AssertKeys(element.GetProperty(side), Figures);
        }
    }

    private static void AssertKeys(JsonElement element, params string[] keys) =>
        CollectionAssert.AreEqual(keys, element.EnumerateObject().Select(property => property.Name).ToArray());
}
