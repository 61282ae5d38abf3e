using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using Moodle.Runtime;
using Spectre.Console;

namespace Moodle.Cli;

/// <summary><c>moodle doctor</c>: says what the program finds on this machine, and what to do about what is missing.</summary>
internal static class DoctorCommand
{
    private static readonly JsonSerializerOptions s_json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The command; it ends with 0 where the default works, on the CPU, and else with 1.</summary>
    public static Command Create()
    {
        var json = new Option<string?>("--json") { HelpName = "FILE", Description = "Also write the findings to a JSON file." };
        var command = new Command("doctor", "Check what this machine offers: libtorch, CPU, GPU, image library.") { json };
        command.SetAction(result => Run(result.InvocationConfiguration.Output, result.GetValue(json)));
        return command;
    }

    private static int Run(TextWriter output, string? jsonFile)
    {
        var checks = SystemReport.Collect();
        var works = checks.All(check => check.Ok || !check.Required);
        var colour = output == Console.Out && !Console.IsOutputRedirected;
        foreach (var check in checks)
        {
            var mark = check.Ok ? "ok" : "missing";
            var text = $"  {check.Name,-12} {check.Found}";
            if (colour)
            {
                AnsiConsole.MarkupLine($"[{(check.Ok ? "green" : check.Required ? "red" : "yellow")}]{mark,-7}[/]{Markup.Escape(text)}");
            }
            else
            {
                output.WriteLine($"{mark,-7}{text}");
            }
            if (check.Remedy is not null)
            {
                output.WriteLine($"{"",-22}{check.Remedy}");
            }
        }
        output.WriteLine(works ? "The default works on this machine, on the CPU." : "The default does not work on this machine: see what is missing above.");
        if (jsonFile is not null)
        {
            AtomicFile.WriteText(jsonFile, JsonSerializer.Serialize(new { works, checks }, s_json) + "\n");
        }
        return works ? 0 : 1;
    }
}
