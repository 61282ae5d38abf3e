using System.CommandLine;
using Moodle.Configuration;
using Moodle.Runtime;
using Moodle.Training.Search;
using Spectre.Console;

namespace Moodle.Cli;

/// <summary><c>moodle tune</c>: a search for good settings.</summary>
internal static class TuneCommand
{
    private const int AllFailed = 1;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var config = new Argument<string>("CONFIG") { Description = "YAML configuration to start from; it is tried as well." };
        var space = new Argument<string>("SPACE") { Description = "YAML file with the keys to search and their values, such as configs/spaces/atlas.yaml." };
        var set = new Option<string[]>("--set") { Description = "Override a key of the configuration; may be given several times.", HelpName = "key=value" };
        var run = new Option<string?>("--run") { Description = "Folder of the search; by default runs/tune-CONFIG-SPACE. A search that is there goes on.", HelpName = "DIR" };
        var tries = new Option<int?>("--tries") { Description = "Configurations to draw, in place of the number in SPACE.", HelpName = "N", CustomParser = result => CommonOptions.Whole(result, least: 1) };
        var seed = new Option<int?>("--seed") { Description = "Seed of the draws and of every run; short for --set seed=N.", HelpName = "N", CustomParser = result => CommonOptions.Whole(result) };
        var device = new Option<string?>("--device") { Description = "cpu, cuda or cuda:N; short for --set device=...", HelpName = "D" };
        var force = new Option<bool>("--force") { Description = "Replace another search that is in the folder." };
        var command = new Command("tune", "Searches for good settings, by validation only: random search with successive halving. The same command goes on after an interruption.")
        {
            config, space, run, tries, set, seed, device, force,
        };
        command.SetAction(result =>
        {
            var (path, spacePath) = (result.GetRequiredValue(config), result.GetRequiredValue(space));
            List<string> sets = [.. result.GetValue(set) ?? []];
            sets.AddRange(result.GetValue(seed) is { } chosen ? [FormattableString.Invariant($"seed={chosen}")] : []);
            sets.AddRange(result.GetValue(device) is { } place ? [$"device={place}"] : []);
            var searched = SearchSpaceReader.Read(spacePath);
            if (result.GetValue(tries) is { } count)
            {
                searched = searched with { Plan = searched.Plan with { Tries = count } };
            }

            var folder = result.GetValue(run) ?? Path.Combine("runs", $"tune-{Path.GetFileNameWithoutExtension(path)}-{Path.GetFileNameWithoutExtension(spacePath)}");
            LibTorch.Load();
            return Search(path, sets, searched, folder, result.GetValue(force));
        });
        return command;
    }

    private static int Search(string config, List<string> sets, SearchSpace space, string folder, bool force)
    {
        using var console = new ProgressConsole();
        using var interrupt = new Interrupt(console, "finishing this step and saving; press Ctrl-C again to stop at once");
        try
        {
            console.Message($"search: {folder}");
            var result = ConfigurationSearch.Run(config, sets, space, folder, force, console, interrupt.Token);
            console.Clear();
            Print(result);
            return result.Best is null ? AllFailed : 0;
        }
        catch (OperationCanceledException)
        {
            console.Message("moodle: interrupted; the same command goes on from here");
            return MoodleCommand.Interrupted;
        }
    }

    private static void Print(SearchResult result)
    {
        var console = ResultConsole.Create();
        var table = ResultConsole.Table(console, Justify.Right, ["try", "rung", "validation MRR", .. result.Keys.Select(key => Short(key, result.Keys))]);
        foreach (var (tried, rung, outcome) in result.OfTries)
        {
            string[] cells =
            [
                FormattableString.Invariant($"{tried.Number}"), FormattableString.Invariant($"{rung}"),
                outcome.ValidationMrr is { } mrr ? FormattableString.Invariant($"{mrr:F4}") : "failed", .. tried.Values(result.Keys),
            ];
            table.AddRow([.. cells.Select(cell => new Text(cell))]);
        }

        console.Write(table);
        Console.WriteLine($"table: {result.TablePath}");
        if (result.Best is not { } best)
        {
            Console.Error.WriteLine($"moodle: all {result.Tries.Length} configurations failed, the first by: {result.OfTries[0].Outcome.Problem}");
            return;
        }

        Console.WriteLine(FormattableString.Invariant(
            $"best: {result.BestPath} (try {best.Try.Number}), chosen among {result.Tries.Length} configurations by the same validation triples, so that its validation MRR of {best.Outcome.ValidationMrr:F4} is optimistic."));
        Console.WriteLine($"The test triples were not looked at; 'moodle train {result.BestPath}' ranks them once.");
    }

    // The end of a path that no other one has: a terminal is narrow.
    private static string Short(string key, IReadOnlyCollection<string> keys)
    {
        var names = key.Split('.');
        return Enumerable.Range(1, names.Length).Select(count => string.Join('.', names[^count..])).First(end => keys.Count(other => other == end || other.EndsWith('.' + end, StringComparison.Ordinal)) == 1);
    }
}
