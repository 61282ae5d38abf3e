using System.CommandLine;
using System.Globalization;
using Moodle.Graphs;
using Spectre.Console;

namespace Moodle.Cli;

/// <summary><c>moodle data list</c>: known data sets and where to get them. Nothing is downloaded.</summary>
internal static class DataListCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new Command("list", "Lists known data sets: sizes, licences, and where to get them.");
        command.SetAction(_ =>
        {
            var console = ResultConsole.Create();
            var table = ResultConsole.Table(console, Justify.Right, "Data set", "entities", "relations", "train", "validation", "test", "layout");
            foreach (var data in KnownDataSet.All)
            {
                table.AddRow([.. new[]
                {
                    data.Name, Number(data.Entities), Number(data.Relations), Number(data.Splits?.Train), Number(data.Splits?.Validation), Number(data.Splits?.Test), data.Layout,
                }.Select(cell => new Text(cell))]);
            }

            console.Write(console.Profile.Out.IsTerminal ? table : table.NoBorder());
            foreach (var data in KnownDataSet.All)
            {
                console.WriteLine();
                console.WriteLine(data.Name);
                console.WriteLine($"  from: {data.Source}");
                console.WriteLine($"  licence: {data.Licence}");
                console.WriteLine($"  texts and pictures: {data.Extras}");
                if (data.Warning.Length > 0)
                {
                    console.WriteLine($"  note: {data.Warning}");
                }
            }

            console.WriteLine("\ndata/README.md says how to unpack each; 'moodle data inspect PATH' shows what is in a folder.");
            return 0;
        });
        return command;
    }

    private static string Number(int? number) => number?.ToString("N0", CultureInfo.InvariantCulture) ?? "unknown";
}
