using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Moodle.Evaluation;
using Moodle.Graphs;
using Moodle.Modalities;
using Moodle.Training;

namespace Moodle.Reporting;

/// <summary>
/// Answers the explorer's questions: <c>/</c>, <c>/api/entities?q</c>, <c>/api/relations</c>, <c>/api/entity?id</c>,
/// <c>/api/answers?entity&amp;relation&amp;asked&amp;top</c>, <c>/picture?entity&amp;n</c>. Pictures are named by number and drawn anew, so that no request can
/// name a file, and none is sent as it is.
/// </summary>
internal sealed class Explorer
{
    private const int MostFound = 20;
    private const int MostFacts = 60;
    private const int MostAnswers = 100;
    private const int PictureSide = 160;
    private const int MostPictures = 2000;

    private readonly KnowledgeGraph _graph;
    private readonly Predictor _predictor;
    private readonly byte[] _page;
    private readonly Lock _model = new();
    private readonly ILookup<int, Triple> _facts;
    private readonly ConcurrentDictionary<(int Entity, int Picture), byte[]?> _pictures = new();

    /// <summary>Prepares a run: its report is the page.</summary>
    /// <param name="runPath">The run's folder.</param>
    /// <param name="model">Its model, to be kept until the explorer is done.</param>
    /// <param name="progress">Told how many queries are ranked, and of how many.</param>
    /// <param name="cancellation">Stops between batches.</param>
    public Explorer(string runPath, TrainedModel model, Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        _graph = model.Graph;
        _predictor = new Predictor(model.Scorer, model.Graph);
        _page = Encoding.UTF8.GetBytes(ReportPage.OfRun(ReportBuilder.Build(runPath, model, progress, cancellation).Report, explorer: true));
        _facts = _graph.Train.Distinct().SelectMany(triple => new[] { triple.Head, triple.Tail }.Distinct(), (triple, entity) => (triple, entity))
            .ToLookup(pair => pair.entity, pair => pair.triple);
    }

    /// <summary>The answer to a request.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="parameters">Its parameters.</param>
    /// <exception cref="InputException">A parameter is missing or cannot be used.</exception>
    public ExplorerAnswer Answer(string path, IReadOnlyDictionary<string, string> parameters) => path switch
    {
        "/" => new ExplorerAnswer(HttpStatusCode.OK, "text/html; charset=utf-8", _page),
        "/api/entities" => Json(new JsonArray([.. Search(parameters.GetValueOrDefault("q", "")).Select(EntityOf)])),
        "/api/relations" => Json(new JsonArray([.. _graph.RelationNames.Select((name, id) => new JsonObject { ["id"] = id, ["label"] = _graph.Relations[id], ["name"] = name })])),
        "/api/entity" => Json(About(Number(parameters, "id", _graph.Entities.Count))),
        "/api/answers" => Json(Answers(parameters)),
        "/picture" => Picture(Number(parameters, "entity", _graph.Entities.Count), Number(parameters, "n", 1000)),
        _ => ExplorerAnswer.Refused(HttpStatusCode.NotFound, "there is no such page"),
    };

    private IEnumerable<int> Search(string text)
    {
        var words = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        bool Fits(int entity) => words.All(word =>
            _graph.EntityNames[entity].Contains(word, StringComparison.OrdinalIgnoreCase) || _graph.Entities[entity].Contains(word, StringComparison.OrdinalIgnoreCase));
        int Distance(int entity) => _graph.EntityNames[entity].Equals(text, StringComparison.OrdinalIgnoreCase) || _graph.Entities[entity] == text ? 0
            : _graph.EntityNames[entity].StartsWith(text, StringComparison.OrdinalIgnoreCase) ? 1 : 2;
        var found = Enumerable.Range(0, _graph.Entities.Count).Where(Fits);
        return (words.Length == 0 ? found : found.OrderBy(Distance)).Take(MostFound);
    }

    private JsonObject EntityOf(int entity) => new()
    {
        ["id"] = entity,
        ["label"] = _graph.Entities[entity],
        ["name"] = _graph.EntityNames[entity],
        ["pictures"] = _graph.Images[entity].Length,
    };

    private JsonObject About(int entity)
    {
        var json = EntityOf(entity);
        json["description"] = _graph.Descriptions[entity];
        json["fact_count"] = _facts[entity].Count();
        json["facts"] = new JsonArray([.. _facts[entity].Take(MostFacts).Select(triple => new JsonObject
        {
            ["side"] = triple.Head == entity ? "tail" : "head",
            ["relation"] = triple.Relation,
            ["relation_name"] = _graph.RelationNames[triple.Relation],
            ["other"] = EntityOf(triple.Head == entity ? triple.Tail : triple.Head),
        })]);
        return json;
    }

    private JsonObject Answers(IReadOnlyDictionary<string, string> parameters)
    {
        var asked = parameters.GetValueOrDefault("asked") switch
        {
            "tail" => QuerySide.Tail,
            "head" => QuerySide.Head,
            _ => throw new InputException("asked: give head or tail"),
        };
        var query = new PredictionQuery(Number(parameters, "entity", _graph.Entities.Count), Number(parameters, "relation", _graph.Relations.Count), asked);
        var top = parameters.ContainsKey("top") ? Math.Max(1, Number(parameters, "top", MostAnswers + 1)) : ReportBuilder.Answers;
        PredictionResult result;
        // libtorch's threads serve one question at a time faster than many at once.
        lock (_model)
        {
            result = _predictor.Predict([query], top)[0];
        }

        var json = (JsonObject)PredictionJson.ToJson([result])[0]!.DeepClone();
        foreach (var answer in json["answers"]!.AsArray())
        {
            if (_graph.Entities.TryGetId(answer!["label"]!.GetValue<string>(), out var id))
            {
                answer["id"] = id;
                answer["pictures"] = _graph.Images[id].Length;
            }
        }

        return json;
    }

    private ExplorerAnswer Picture(int entity, int number)
    {
        if (number >= _graph.Images[entity].Length)
        {
            return ExplorerAnswer.Refused(HttpStatusCode.NotFound, "there is no such picture");
        }

        if (_pictures.Count > MostPictures)
        {
            _pictures.Clear();
        }

        return _pictures.GetOrAdd((entity, number), key => PictureReader.Thumbnail(_graph.Images[key.Entity][key.Picture], PictureSide)) is { } picture
            ? new ExplorerAnswer(HttpStatusCode.OK, "image/webp", picture)
            : ExplorerAnswer.Refused(HttpStatusCode.NotFound, "this picture cannot be read");
    }

    private static ExplorerAnswer Json(JsonNode json) => new(HttpStatusCode.OK, "application/json", Encoding.UTF8.GetBytes(json.ToJsonString()));

    private static int Number(IReadOnlyDictionary<string, string> parameters, string name, int count) =>
        parameters.TryGetValue(name, out var text) && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number < count
            ? number
            : throw new InputException(FormattableString.Invariant($"{name}: give a whole number from 0 to {count - 1}"));
}
