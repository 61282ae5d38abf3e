using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Moodle.Graphs;
using Moodle.Runtime;

namespace Moodle.Evaluation;

/// <summary>
/// An <see cref="EvaluationReport"/> as JSON. Figures are shares (0 to 1), not percent; one that is not defined is null.
/// <code>
/// split, ranks ("realistic"), filter [splits], entities, split_triples, ranked_triples, queries, seconds, scoring_seconds,
/// tolerance.{absolute, relative}, bootstrap.{samples, level} (null without intervals), data_notes [how the data set was read],
/// branches.&lt;branch&gt;.
///     &lt;both|head|tail&gt;.{mrr, mr, hits_at_1, hits_at_3, hits_at_5, hits_at_10, amri, count}    realistic ranks
///     ties.&lt;optimistic|pessimistic&gt;.&lt;both|head|tail&gt;.{the same}
///     intervals.&lt;both|head|tail&gt;.{mrr, mr, hits_at_1, hits_at_3, hits_at_5, hits_at_10, amri} = [low, high]    (null without intervals)
///     relations.&lt;label&gt;.{name, category, &lt;both|head|tail&gt;.{the same}}
///     categories.&lt;1-1|1-N|N-1|N-N&gt;.&lt;both|head|tail&gt;.{the same}
///     macro.&lt;both|head|tail&gt;.{the same, count = relations}
/// </code>
/// </summary>
public static class EvaluationJson
{
    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes the report beside its place and renames it.</summary>
    public static void Write(string path, EvaluationReport report) =>
        AtomicFile.WriteText(path, ToJson(report).ToJsonString(Readable) + "\n");

    /// <summary>The report as a JSON object.</summary>
    public static JsonObject ToJson(EvaluationReport report) => new()
    {
        ["split"] = NameOf(report.Split),
        ["ranks"] = "realistic",
        ["filter"] = new JsonArray([.. report.Filter.Select(split => JsonValue.Create(NameOf(split)))]),
        ["entities"] = report.Entities,
        ["split_triples"] = report.SplitTriples,
        ["ranked_triples"] = report.RankedTriples,
        ["queries"] = report.Queries,
        ["seconds"] = report.Seconds,
        ["scoring_seconds"] = report.ScoringSeconds,
        ["tolerance"] = new JsonObject { ["absolute"] = TieBand.Absolute, ["relative"] = TieBand.Relative },
        ["bootstrap"] = report.BootstrapSamples == 0 ? null : new JsonObject { ["samples"] = report.BootstrapSamples, ["level"] = Bootstrap.Level },
        ["data_notes"] = new JsonArray([.. report.DataNotes.Select(note => JsonValue.Create(note))]),
        ["branches"] = ObjectOf(report.Branches, branch => branch.Branch, Branch),
    };

    /// <summary>A split's name in files: <c>train</c>, <c>validation</c> or <c>test</c>.</summary>
    public static string NameOf(Split split) => split.ToString().ToLowerInvariant();

    private static JsonObject Branch(BranchReport branch)
    {
        var json = Sides(branch.Realistic, Figures);
        json["ties"] = new JsonObject { ["optimistic"] = Sides(branch.Optimistic, Figures), ["pessimistic"] = Sides(branch.Pessimistic, Figures) };
        json["intervals"] = branch.Intervals is null ? null : Sides(branch.Intervals, Ends);
        json["relations"] = ObjectOf(branch.Relations, relation => relation.Relation, relation =>
        {
            var figures = Sides(relation.Metrics, Figures);
            figures.Insert(0, "name", relation.Name);
            figures.Insert(1, "category", relation.Category.Name());
            return figures;
        });
        json["categories"] = ObjectOf(branch.Categories, category => category.Category.Name(), category => Sides(category.Metrics, Figures));
        json["macro"] = Sides(branch.Macro, Figures);
        return json;
    }

    private static JsonObject Sides<T>(BySide<T> sides, Func<T, JsonNode> function) =>
        new() { ["both"] = function(sides.Both), ["head"] = function(sides.Head), ["tail"] = function(sides.Tail) };

    private static JsonObject Figures(Metrics metrics) => new()
    {
        ["mrr"] = Number(metrics.Mrr),
        ["mr"] = Number(metrics.Mr),
        ["hits_at_1"] = Number(metrics.HitsAt1),
        ["hits_at_3"] = Number(metrics.HitsAt3),
        ["hits_at_5"] = Number(metrics.HitsAt5),
        ["hits_at_10"] = Number(metrics.HitsAt10),
        ["amri"] = Number(metrics.Amri),
        ["count"] = metrics.Count,
    };

    private static JsonObject Ends(MetricIntervals intervals) => new()
    {
        ["mrr"] = Pair(intervals.Mrr),
        ["mr"] = Pair(intervals.Mr),
        ["hits_at_1"] = Pair(intervals.HitsAt1),
        ["hits_at_3"] = Pair(intervals.HitsAt3),
        ["hits_at_5"] = Pair(intervals.HitsAt5),
        ["hits_at_10"] = Pair(intervals.HitsAt10),
        ["amri"] = Pair(intervals.Amri),
    };

    private static JsonArray Pair(Interval interval) => [Number(interval.Low), Number(interval.High)];

    /// <summary>A number, null where JSON has none for it.</summary>
    internal static JsonValue? Number(double value) => double.IsFinite(value) ? JsonValue.Create(value) : null;

    private static JsonObject ObjectOf<T>(IEnumerable<T> items, Func<T, string> key, Func<T, JsonNode> value)
    {
        var json = new JsonObject();
        foreach (var item in items)
        {
            json[key(item)] = value(item);
        }

        return json;
    }
}
