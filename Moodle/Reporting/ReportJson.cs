using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Moodle.Evaluation;

namespace Moodle.Reporting;

/// <summary>
/// A report as JSON: all keys of <see cref="EvaluationJson"/>, and beside them
/// <code>
/// run.{name, data_set, layout, entities, relations, train, validation, test, warnings, changed.&lt;key&gt;.{value, default}, seed, device, threads, started,
///     training_seconds, trained_by, reported_by, reproduce, resume}
/// published[].{model, uses, mrr, hits_at_1, hits_at_3, hits_at_10, source, comparable}
/// history.&lt;stage&gt;.{epochs, seconds, losses.&lt;term&gt; [[epoch, value]], validation_mrr.&lt;branch&gt; [..], trust.&lt;teacher → student&gt; [..]}
/// ranks_by_class.&lt;branch&gt;.&lt;class&gt;
/// fusion_effects.&lt;branch&gt;.{repaired, spoiled, both_right, both_wrong}
/// gate.all, gate.relations.&lt;label&gt;: {name, queries, &lt;branch&gt;}
/// pictures[], text_lengths[]: {name, queries, mrr.&lt;branch&gt;, median_rank.&lt;branch&gt;}
/// examples[].{kind, asked, entity, entity_name, relation, relation_name, answers[].{rank, label, name, score, probability, shares, known, parts}, gold, ranks.&lt;branch&gt;}
/// </code>
/// </summary>
internal static class ReportJson
{
    /// <summary>How reports are written: for people too.</summary>
    public static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The report as a JSON object.</summary>
    public static JsonObject ToJson(RunReport report)
    {
        var branches = report.Evaluation.Branches.Select(branch => branch.Branch).ToArray();
        var json = EvaluationJson.ToJson(report.Evaluation);
        json["run"] = Head(report.Head);
        json["published"] = Array(report.Published, result => new JsonObject
        {
            ["model"] = result.Model,
            ["uses"] = result.Uses,
            ["mrr"] = result.Mrr,
            ["hits_at_1"] = result.HitsAt1,
            ["hits_at_3"] = result.HitsAt3,
            ["hits_at_10"] = result.HitsAt10,
            ["source"] = result.Source,
            ["comparable"] = result.Comparable,
        });
        json["history"] = Object(report.History.Stages, stage => stage.Name, stage => new JsonObject
        {
            ["epochs"] = stage.Epochs,
            ["seconds"] = stage.Seconds,
            ["losses"] = Object(stage.Losses, series => series.Name, Points),
            ["validation_mrr"] = Object(stage.Validation, series => series.Name, Points),
            ["trust"] = Object(stage.Trust, series => series.Name, Points),
        });
        json["ranks_by_class"] = Object(report.Distributions, branch => branch.Branch, branch =>
            Object(branch.Counts.Zip(RankBins.Names), bin => bin.Second, bin => JsonValue.Create(bin.First)));
        json["fusion_effects"] = Object(report.FusionEffects, effect => effect.Branch, effect => new JsonObject
        {
            ["repaired"] = effect.Repaired,
            ["spoiled"] = effect.Spoiled,
            ["both_right"] = effect.BothRight,
            ["both_wrong"] = effect.BothWrong,
        });
        json["gate"] = new JsonObject
        {
            ["all"] = report.Gates.Where(gate => gate.Relation is null).Select(gate => Gate(gate, branches)).FirstOrDefault(),
            ["relations"] = Object(report.Gates.Where(gate => gate.Relation is not null), gate => gate.Relation!, gate => Gate(gate, branches)),
        };
        json["pictures"] = Array(report.Pictures, group => Group(group, branches));
        json["text_lengths"] = Array(report.TextLengths, group => Group(group, branches));
        json["examples"] = Array(report.Examples, example => ExampleOf(example, branches));
        return json;
    }

    /// <summary>Where a number of a report stands in its JSON, as a JSON pointer (RFC 6901).</summary>
    public static string Pointer(params IEnumerable<object> keys) => string.Concat(keys.Select(key =>
        "/" + Convert.ToString(key, System.Globalization.CultureInfo.InvariantCulture)!.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)));

    private static JsonObject Head(RunHead head) => new()
    {
        ["name"] = head.Name,
        ["data_set"] = head.DataSet,
        ["layout"] = head.Layout,
        ["entities"] = head.Entities,
        ["relations"] = head.Relations,
        ["train"] = head.Train,
        ["validation"] = head.Validation,
        ["test"] = head.Test,
        ["warnings"] = Array(head.Warnings, warning => JsonValue.Create(warning)),
        ["changed"] = Object(head.Changed, key => key.Key, key => new JsonObject { ["value"] = key.Value, ["default"] = key.Default }),
        ["seed"] = head.Seed,
        ["device"] = head.Device,
        ["threads"] = head.Threads,
        ["started"] = head.Started,
        ["training_seconds"] = head.TrainingSeconds,
        ["trained_by"] = head.TrainedBy,
        ["reported_by"] = head.ReportedBy,
        ["reproduce"] = head.Reproduce,
        ["resume"] = head.Resume,
    };

    private static JsonObject Gate(RelationGate gate, string[] branches)
    {
        var json = new JsonObject { ["name"] = gate.Name, ["queries"] = gate.Queries };
        foreach (var (branch, weight) in branches.Skip(1).Zip(gate.Weights))
        {
            json[branch] = weight;
        }

        return json;
    }

    private static JsonObject Group(QueryGroup group, string[] branches) => new()
    {
        ["name"] = group.Name,
        ["queries"] = group.Queries,
        ["mrr"] = Object(branches.Zip(group.Mrr), pair => pair.First, pair => EvaluationJson.Number(pair.Second)),
        ["median_rank"] = Object(branches.Zip(group.MedianRank), pair => pair.First, pair => EvaluationJson.Number(pair.Second)),
    };

    private static JsonObject ExampleOf(Example example, string[] branches)
    {
        var json = (JsonObject)PredictionJson.ToJson([example.Result])[0]!.DeepClone();
        foreach (var (answer, row) in example.Result.Answers.Zip((JsonArray)json["answers"]!))
        {
            row!["parts"] = Object(answer.Shares, part => part.Part, part => EvaluationJson.Number(part.Score));
        }

        json.Insert(0, "kind", NameOf(example.Kind));
        json["gold"] = example.Gold;
        json["ranks"] = Object(branches.Zip(example.Ranks), pair => pair.First, pair => EvaluationJson.Number(pair.Second));
        return json;
    }

    /// <summary>A kind's name in files.</summary>
    public static string NameOf(ExampleKind kind) => kind.ToString().ToLowerInvariant();

    private static JsonArray Points(Series series) => Array(series.Points, point => new JsonArray(point.X, EvaluationJson.Number(point.Y)));

    private static JsonArray Array<T>(IEnumerable<T> items, Func<T, JsonNode?> value) => new([.. items.Select(value)]);

    private static JsonObject Object<T>(IEnumerable<T> items, Func<T, string> key, Func<T, JsonNode?> value)
    {
        var json = new JsonObject();
        foreach (var item in items)
        {
            json[key(item)] = value(item);
        }

        return json;
    }
}
