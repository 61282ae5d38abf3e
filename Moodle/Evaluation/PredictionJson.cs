using System.Text.Json.Nodes;

namespace Moodle.Evaluation;

/// <summary>
/// Answers as JSON: an array of {asked, entity, entity_name, relation, relation_name, answers: [{rank, label, name, score, probability,
/// shares: {part: share}, known: split or null}]}.
/// </summary>
public static class PredictionJson
{
    /// <summary>The answers as a JSON array.</summary>
    public static JsonArray ToJson(IEnumerable<PredictionResult> results) => [.. results.Select(result => new JsonObject
    {
        ["asked"] = result.Asked == QuerySide.Head ? "head" : "tail",
        ["entity"] = result.Entity,
        ["entity_name"] = result.EntityName,
        ["relation"] = result.Relation,
        ["relation_name"] = result.RelationName,
        ["answers"] = new JsonArray([.. result.Answers.Select(Answer)]),
    })];

    private static JsonObject Answer(Prediction answer) => new()
    {
        ["rank"] = answer.Rank,
        ["label"] = answer.Label,
        ["name"] = answer.Name,
        ["score"] = EvaluationJson.Number(answer.Score),
        ["probability"] = EvaluationJson.Number(answer.Probability),
        ["shares"] = new JsonObject(answer.Shares.Select(share => KeyValuePair.Create(share.Part, (JsonNode?)EvaluationJson.Number(share.Share)))),
        ["known"] = answer.KnownIn is { } split ? EvaluationJson.NameOf(split) : null,
    };
}
