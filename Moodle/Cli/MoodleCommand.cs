using System.CommandLine;

namespace Moodle.Cli;

/// <summary>The root command, and how anything that goes wrong ends: 0 done, 1 failure, 2 usage or input, 130 Ctrl-C.</summary>
internal static class MoodleCommand
{
    private const int Failure = 1;
    private const int BadInput = 2;
    private const int Interrupted = 130;

    /// <summary>Parses and runs a command line.</summary>
    public static int Run(string[] args)
    {
        var verbose = new Option<bool>("--verbose") { Description = "Show the stack trace of an error.", Recursive = true };
        var root = new RootCommand("Trains, evaluates and queries multimodal knowledge graph completion models.")
        {
            verbose,
            TrainCommand.Create(),
            ResumeCommand.Create(),
            EvaluateCommand.Create(),
            PredictCommand.Create(),
            DataCommand.Create(),
            DoctorCommand.Create(),
        };
        var parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (var error in parsed.Errors)
            {
                Console.Error.WriteLine($"moodle: {error.Message}");
            }

            Console.Error.WriteLine("moodle: 'moodle --help' or 'moodle COMMAND --help' shows what can be given");
            return BadInput;
        }

        try
        {
            // Ctrl-C is each command's own business (see Interrupt), and errors are told below.
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        }
        catch (Exception exception)
        {
            if (parsed.GetValue(verbose))
            {
                Console.Error.WriteLine(exception);
            }

            return Tell(exception);
        }
    }

    private static int Tell(Exception exception)
    {
        switch (exception)
        {
            case OperationCanceledException:
                Console.Error.WriteLine($"moodle: {(exception is OperationCanceledException { Message: var text } && text.Contains("moodle", StringComparison.Ordinal) ? text : "interrupted")}");
                return Interrupted;
            case AggregateException { InnerExceptions: [var only] }:
                return Tell(only);
            case InputException:
                Console.Error.WriteLine($"moodle: {exception.Message}");
                return BadInput;
            case UnauthorizedAccessException:
                Console.Error.WriteLine($"moodle: {exception.Message.ReplaceLineEndings(" ")}; check who may read and write there");
                return BadInput;
            default:
                Console.Error.WriteLine($"moodle: {exception.Message.ReplaceLineEndings(" ")} (--verbose shows where)");
                return Failure;
        }
    }
}
