using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Moodle.Evaluation;
using Moodle.Runtime;
using Moodle.Training;
using Spectre.Console;

namespace Moodle.Cli;

/// <summary><c>moodle predict</c>: the best answers to a query, or to a file of queries.</summary>
internal static class PredictCommand
{
    private static readonly JsonSerializerOptions s_json = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var run = CommonOptions.Run();
        var head = new Option<string?>("--head") { Description = "The head, by id or by name.", HelpName = "H" };
        var relation = new Option<string?>("--relation") { Description = "The relation, by id or by name.", HelpName = "R" };
        var tail = new Option<string?>("--tail") { Description = "The tail, by id or by name, to ask for heads.", HelpName = "T" };
        var top = new Option<int>("--top") { Description = "How many answers.", HelpName = "K", DefaultValueFactory = _ => 10, CustomParser = result => CommonOptions.Whole(result, least: 1) };
        var onlyNew = new Option<bool>("--new") { Description = "Leave out triples that are known already." };
        var input = new Option<string?>("--in") { Description = "A TSV or CSV file of queries: head, relation, tail, with the end that is asked for empty or '?'.", HelpName = "FILE" };
        var output = new Option<string?>("--out") { Description = "Where the answers to --in go, as TSV or CSV.", HelpName = "FILE" };
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var (checkpoint, device) = (CommonOptions.Checkpoint(), CommonOptions.Device());
        var command = new Command("predict", "Answers queries with a run's model.") { run, head, relation, tail, top, onlyNew, input, output, json, checkpoint, device };
        command.SetAction(result =>
        {
            var many = result.GetValue(input);
            if (many is null ? result.GetValue(output) is not null : result.GetValue(head) is not null || result.GetValue(relation) is not null || result.GetValue(tail) is not null)
            {
                throw new InputException("predict: give --in FILE --out FILE for many queries, or --relation with --head or --tail for one");
            }

            if (many is not null && result.GetValue(output) is null && !result.GetValue(json))
            {
                throw new InputException("predict: --in needs --out FILE for the answers, or --json to print them");
            }

            LibTorch.Load();
            using var console = new ProgressConsole();
            using var interrupt = new Interrupt(console, "stopping");
            using var model = TrainedModel.Load(result.GetRequiredValue(run), result.GetRequiredValue(checkpoint), result.GetValue(device));
            var predictor = new Predictor(model.Scorer, model.Graph);
            var queries = many is not null
                ? PredictionFile.Read(many, predictor)
                : [predictor.Parse(result.GetValue(head), result.GetValue(relation), result.GetValue(tail))];
            var results = predictor.Predict(queries, result.GetValue(top), result.GetValue(onlyNew),
                (done, total) => console.Progress("predicting", done, total, "queries"), interrupt.Token);
            console.Clear();
            if (result.GetValue(output) is { } file)
            {
                PredictionFile.Write(file, results);
            }

            if (result.GetValue(json))
            {
                Console.WriteLine(PredictionJson.ToJson(results).ToJsonString(s_json));
            }
            else if (many is null)
            {
                Print(results[0]);
            }

            return 0;
        });
        return command;
    }

    private static void Print(PredictionResult result)
    {
        var (head, tail) = result.Asked == QuerySide.Tail ? (result.EntityName, "?") : ("?", result.EntityName);
        var console = ResultConsole.Create();
        var table = ResultConsole.Table(console, Justify.Left, "#", "answer", "id", "score", "probability", "shares", "known in");
        table.Title = new TableTitle(Markup.Escape($"{head} — {result.RelationName} — {tail}"));
        foreach (var answer in result.Answers)
        {
            static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
            table.AddRow(
                Text(answer.Rank, "F0"), Markup.Escape(answer.Name), Markup.Escape(answer.Label), Text(answer.Score, "F3"), Text(answer.Probability, "F4"),
                string.Join(", ", answer.Shares.Select(share => $"{share.Part} {Text(100 * share.Share, "F0")} %")),
                answer.KnownIn is { } split ? EvaluationJson.NameOf(split) : "");
        }

        console.Write(table);
    }
}
