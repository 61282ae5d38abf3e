using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Moodle.Cli;

/// <summary>Arguments and options that several commands have.</summary>
internal static class CommonOptions
{
    /// <summary>The folder of a run.</summary>
    public static Argument<string> Run() => new("RUN") { Description = "Folder of the run." };

    /// <summary>A checkpoint of a run.</summary>
    public static Option<string> Checkpoint() => new("--checkpoint")
    {
        Description = "best, last, or a checkpoint's JSON file.",
        HelpName = "best|last|FILE",
        DefaultValueFactory = _ => "best",
    };

    /// <summary>A device in place of the run's own.</summary>
    public static Option<string?> Device() => new("--device") { Description = "cpu, cuda or cuda:N; by default the run's own.", HelpName = "D" };

    /// <summary>Reads a whole number in words of our own; the library's name the type.</summary>
    public static int Whole(ArgumentResult result, int least = int.MinValue)
    {
        var text = result.Tokens.Count > 0 ? result.Tokens[^1].Value : "";
        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && number >= least)
        {
            return number;
        }

        result.AddError($"{(result.Parent as OptionResult)?.Option.Name}: '{text}' is no whole number{(least > int.MinValue ? $" of at least {least}" : "")}");
        return default;
    }
}
