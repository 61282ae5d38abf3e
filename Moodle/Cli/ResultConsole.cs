using Spectre.Console;

namespace Moodle.Cli;

/// <summary>Tables on the standard output: drawn on a terminal, plain and never wrapped where it goes into a file or a pipe.</summary>
internal static class ResultConsole
{
    private const int PlainWidth = 1000;

    /// <summary>A console for the standard output of this moment.</summary>
    public static IAnsiConsole Create()
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Out) });
        if (!console.Profile.Out.IsTerminal)
        {
            console.Profile.Width = PlainWidth;
        }

        return console;
    }

    /// <summary>An empty table; the first column is aligned to the left, the others as given.</summary>
    public static Table Table(IAnsiConsole console, Justify others, params string[] columns)
    {
        var table = new Table { Border = console.Profile.Out.IsTerminal ? TableBorder.Rounded : TableBorder.Ascii2 };
        foreach (var column in columns)
        {
            table.AddColumn(new TableColumn(new Text(column)) { Alignment = table.Columns.Count == 0 ? Justify.Left : others, NoWrap = true });
        }

        return table;
    }
}
