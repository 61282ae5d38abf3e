using System.CommandLine;
using Moodle.Graphs;

namespace Moodle.Cli;

/// <summary><c>moodle data convert</c>: any layout to the documented one, with cleaned splits if wanted.</summary>
internal static class DataConvertCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var from = new Argument<string>("IN") { Description = "Folder of the data set." };
        var to = new Argument<string>("OUT") { Description = "Folder to write, missing or empty." };
        var clean = new Option<bool>("--clean")
        {
            Description = "Drop repetitions, and from validation what stands in train or test; draw validation from train where too little is left.",
        };
        var seed = new Option<int>("--seed")
        {
            Description = "Seed of what --clean draws.",
            HelpName = "N",
            DefaultValueFactory = _ => GraphCleaning.DefaultSeed,
            CustomParser = result => CommonOptions.Whole(result),
        };
        var pictures = new Option<string>("--pictures") { Description = "copy, link (hard links: no space, same file system) or none.", HelpName = "HOW", DefaultValueFactory = _ => "copy" };
        pictures.AcceptOnlyFromAmong("copy", "link", "none");
        var force = new Option<bool>("--force") { Description = "Replace a data set that is in the folder already." };
        var command = new Command("convert", "Writes a data set of any layout in the documented one.") { from, to, clean, seed, pictures, force };
        var options = new DataOptions();
        options.AddTo(command);
        command.SetAction(result =>
        {
            var graph = options.Read(result, result.GetRequiredValue(from));
            if (result.GetValue(clean))
            {
                graph = GraphCleaning.Clean(graph, result.GetValue(seed)).Graph;
            }

            var folder = result.GetRequiredValue(to);
            using (var progress = new ProgressConsole())
            {
                using var interrupt = new Interrupt(progress, "stopping; what is in the folder so far is no data set yet");
                DataSetWriter.Write(graph, folder, Enum.Parse<PictureTransfer>(result.GetRequiredValue(pictures), ignoreCase: true), result.GetValue(force),
                    done => progress.Progress("pictures", done, graph.Entities.Count, "entities"), interrupt.Token);
            }

            Console.WriteLine($"{folder}: written from {graph.Path} ({graph.Layout} layout)");
            foreach (var note in graph.Notes)
            {
                Console.WriteLine(note);
            }

            Console.WriteLine(FormattableString.Invariant(
                $"{graph.Entities.Count:N0} entities, {graph.Relations.Count:N0} relations, {graph.Train.Length:N0} training, {graph.Validation.Length:N0} validation and {graph.Test.Length:N0} test triples"));
            return 0;
        });
        return command;
    }
}
