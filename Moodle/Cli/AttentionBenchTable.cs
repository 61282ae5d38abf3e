using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Moodle.Attention;
using Moodle.Attention.Bench;
using Moodle.Runtime;
using Spectre.Console;

namespace Moodle.Cli;

/// <summary>Results of <c>bench attention</c> as a table and as JSON.</summary>
internal static class AttentionBenchTable
{
    private static readonly JsonSerializerOptions s_json = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    /// <summary>An implementation's name on the command line and in JSON.</summary>
    public static string NameOf(AttentionImplementation implementation) => JsonNamingPolicy.SnakeCaseLower.ConvertName(implementation.ToString());

    /// <summary>Prints the rows.</summary>
    public static void Print(IReadOnlyList<AttentionBenchRow> rows)
    {
        var console = ResultConsole.Create();
        var named = rows.Any(row => row.Sequence is not null);
        string[] columns = ["length", "mode", "implementation", "density", "recall", "recall p5", "error", "ms", "dense ms", "speedup"];
        var table = ResultConsole.Table(console, Justify.Right, named ? ["sequence", .. columns] : columns);
        static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
        foreach (var row in rows)
        {
            string[] cells =
            [
                Text(row.Length, "F0"), row.Mode, NameOf(row.Implementation), Text(row.Density, "F4"), Text(row.Recall, "F4"), Text(row.RecallP5, "F4"),
                Text(row.RelativeError, "E1"), Text(row.Milliseconds, "F2"), Text(row.DenseMilliseconds, "F2"), Text(row.Speedup, "F2"),
            ];
            table.AddRow(Array.ConvertAll(named ? [row.Sequence ?? "", .. cells] : cells, Markup.Escape));
        }

        console.Write(table);
    }

    /// <summary>Writes the rows.</summary>
    public static void WriteJson(string path, IReadOnlyList<AttentionBenchRow> rows) =>
        AtomicFile.WriteText(path, JsonSerializer.Serialize(new { rows }, s_json) + "\n");
}
