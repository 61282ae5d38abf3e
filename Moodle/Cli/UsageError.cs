using System.CommandLine;
using Moodle.Configuration;

namespace Moodle.Cli;

/// <summary>Puts what is wrong with a command line into one line that says what was meant or what can be given.</summary>
internal static class UsageError
{
    /// <summary>The line, or null where nothing is wrong.</summary>
    public static string? Of(ParseResult parsed)
    {
        if (parsed.Errors.Count == 0)
        {
            return null;
        }

        var command = parsed.CommandResult.Command;
        var path = string.Join(' ', Ancestry(command).Reverse());
        return $"{Problem(parsed, command)}; '{path} --help' shows what can be given";
    }

    private static string Problem(ParseResult parsed, Command command)
    {
        if (parsed.UnmatchedTokens.Count > 0)
        {
            var token = parsed.UnmatchedTokens[0];
            return token.StartsWith('-')
                ? $"unknown option '{token}'{Suggestion(token, command.Options.Select(option => option.Name))}"
                : command.Subcommands.Count > 0
                    ? $"unknown command '{token}'{Suggestion(token, command.Subcommands.Select(subcommand => subcommand.Name))}"
                    : $"'{token}' is one argument too many";
        }

        if (command.Subcommands.Count > 0)
        {
            return $"a command is missing: {string.Join(", ", command.Subcommands.Select(subcommand => subcommand.Name))}";
        }

        var missing = command.Arguments.FirstOrDefault(argument => parsed.GetResult(argument) is null or { Tokens.Count: 0 });
        return missing is not null ? $"{missing.Name} is missing" : parsed.Errors[0].Message.ReplaceLineEndings(" ").TrimEnd('.');
    }

    private static string Suggestion(string given, IEnumerable<string> known) =>
        KeySuggestion.Nearest(given, known) is { } nearest ? $", did you mean '{nearest}'?" : "";

    private static IEnumerable<string> Ancestry(Command? command)
    {
        for (; command is not null; command = command.Parents.OfType<Command>().FirstOrDefault())
        {
            yield return command is RootCommand ? "moodle" : command.Name;
        }
    }
}
