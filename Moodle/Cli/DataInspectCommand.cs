using System.CommandLine;
using System.Globalization;
using Moodle.Graphs;
using Moodle.Runtime;
using Spectre.Console;

namespace Moodle.Cli;

/// <summary><c>moodle data inspect</c>: the audit of a data set.</summary>
internal static class DataInspectCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var path = new Argument<string>("PATH") { Description = "Folder of the data set." };
        var json = new Option<string?>("--json") { Description = "Also write the audit to this file.", HelpName = "FILE" };
        var command = new Command("inspect", "Shows what is in a data set and what is wrong with it.") { path, json };
        var options = new DataOptions();
        options.AddTo(command);
        command.SetAction(result =>
        {
            var audit = GraphAudit.Of(options.Read(result, result.GetRequiredValue(path)));
            Print(audit, ResultConsole.Create());
            if (result.GetValue(json) is { } file)
            {
                AtomicFile.WriteText(file, audit.ToJson() + "\n");
            }

            return 0;
        });
        return command;
    }

    /// <summary>Prints the audit: tables on a terminal, aligned plain text elsewhere.</summary>
    internal static void Print(GraphAudit audit, IAnsiConsole console)
    {
        var graph = NewTable(console, "Data set", audit.Path);
        Row(graph, "layout", audit.Layout);
        Row(graph, "entities", Text(audit.Entities));
        Row(graph, "relations", Text(audit.Relations));
        Row(graph, "relations 1-1, 1-N, N-1, N-N", $"{audit.Categories.OneToOne}, {audit.Categories.OneToMany}, {audit.Categories.ManyToOne}, {audit.Categories.ManyToMany}");
        Row(graph, "entities unseen in training", Text(audit.EntitiesUnseenInTraining));
        Row(graph, "relations unseen in training", Text(audit.RelationsUnseenInTraining));
        Row(graph, "entities with a name", Share(audit.Text.Names, audit.Entities));
        Row(graph, "entities with a description", Share(audit.Text.Descriptions, audit.Entities));
        Row(graph, "entities with a picture", Share(audit.Images.Entities, audit.Entities));
        Row(graph, "pictures", Text(audit.Images.Files));
        Row(graph, "pictures of an entity", Text(audit.Images.PerEntity));
        Row(graph, "words in a name", Text(audit.Text.NameWords));
        Row(graph, "words in a description", Text(audit.Text.DescriptionWords));
        console.Write(graph);
        console.WriteLine();

        var splits = NewTable(console, "Splits", "train", "validation", "test");
        void Each(string name, Func<SplitAudit, string> figure) => Row(splits, [name, .. audit.Splits.All.Select(split => figure(split.Audit))]);
        Each("triples", split => Text(split.Triples));
        Each("distinct", split => Text(split.Distinct));
        Each("also in train", split => Share(split.AlsoInTrain, split.Triples));
        Each("also in validation", split => Share(split.AlsoInValidation, split.Triples));
        Each("also in test", split => Share(split.AlsoInTest, split.Triples));
        Each("ends linked in train", split => Share(split.LinkedForward, split.Triples));
        Each("ends linked in train, reversed", split => Share(split.LinkedReversed, split.Triples));
        Each("with something unseen in training", split => Share(split.TriplesWithUnseen, split.Triples));
        Each("entities", split => Text(split.Entities));
        Each("entities unseen in training", split => Share(split.UnseenEntities, split.Entities));
        Each("relations", split => Text(split.Relations));
        Each("relations unseen in training", split => Share(split.UnseenRelations, split.Relations));
        Each("entities with a name", split => Share(split.EntitiesWithName, split.Entities));
        Each("entities with a description", split => Share(split.EntitiesWithDescription, split.Entities));
        Each("entities with a picture", split => Share(split.EntitiesWithImage, split.Entities));
        console.Write(splits);
        console.WriteLine();

        if (audit.Patterns.Length > 0)
        {
            const int Shown = 20;
            var patterns = NewTable(console, "Relation", "is", "with", "share", "of other", "pairs");
            foreach (var pattern in audit.Patterns.Take(Shown))
            {
                Row(patterns, pattern.Relation, pattern.Kind.ToString().ToLowerInvariant(), pattern.Kind == PatternKind.Symmetric ? "" : pattern.Other,
                    Percent(pattern.Share), Percent(pattern.ShareOfOther), Text(pattern.Pairs));
            }

            console.Write(patterns);
            console.WriteLine(audit.Patterns.Length > Shown ? $"and {audit.Patterns.Length - Shown} more (all of them in --json FILE)\n" : "");
        }

        foreach (var note in audit.Notes)
        {
            console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"note: {note}");
        }

        foreach (var warning in audit.Warnings)
        {
            console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[yellow]warning:[/] {warning}");
        }
    }

    private static Table NewTable(IAnsiConsole console, params string[] columns)
    {
        var table = ResultConsole.Table(console, Justify.Right, columns);
        return console.Profile.Out.IsTerminal ? table : table.NoBorder();
    }

    private static void Row(Table table, params string[] cells) => table.AddRow(cells.Select(cell => new Text(cell)));

    private static string Text(int number) => number.ToString("N0", CultureInfo.InvariantCulture);

    private static string Text(Distribution words) => words.Max == 0
        ? "none"
        : string.Create(CultureInfo.InvariantCulture, $"mean {words.Mean:0.0}, median {words.Median}, 95 % up to {words.P95}, at most {words.Max}");

    private static string Percent(double share) => share.ToString("P1", CultureInfo.InvariantCulture);

    private static string Share(int part, int whole) => part == 0 ? "0" : $"{Text(part)} ({Percent((double)part / whole)})";
}
