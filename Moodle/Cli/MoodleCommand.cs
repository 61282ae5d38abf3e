using System.CommandLine;

namespace Moodle.Cli;

/// <summary>The root command, and how anything that goes wrong ends: 0 done, 1 failure, 2 usage or input, 130 Ctrl-C.</summary>
internal static class MoodleCommand
{
    /// <summary>The exit code of work that Ctrl-C stopped.</summary>
    public const int Interrupted = 130;

    private const int Failure = 1;
    private const int BadInput = 2;

    /// <summary>Parses and runs a command line.</summary>
    public static int Run(string[] args)
    {
        var verbose = new Option<bool>("--verbose") { Description = "Show the stack trace of an error.", Recursive = true };
        var root = new RootCommand("Trains, evaluates and queries multimodal knowledge graph completion models.")
        {
            verbose,
            TrainCommand.Create(),
            EncodeCommand.Create(),
            ResumeCommand.Create(),
            EvaluateCommand.Create(),
            ReproduceCommand.Create(),
            TuneCommand.Create(),
            PredictCommand.Create(),
            ReportCommand.Create(),
            ExploreCommand.Create(),
            DataCommand.Create(),
            BenchCommand.Create(),
            DoctorCommand.Create(),
        };
        // An entity may be called '@something': no response files.
        var parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (UsageError.Of(parsed) is { } problem)
        {
            Console.Error.WriteLine($"moodle: {problem}");
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

            var (code, text) = Describe(exception);
            Console.Error.WriteLine($"moodle: {text}");
            return code;
        }
    }

    private static (int Code, string Text) Describe(Exception exception) => exception switch
    {
        OperationCanceledException => (Interrupted, "interrupted"),
        AggregateException { InnerExceptions: [var only] } => Describe(only),
        InputException => (BadInput, exception.Message.ReplaceLineEndings(" ")),
        UnauthorizedAccessException => (BadInput, $"{FirstLine(exception).TrimEnd('.')}; check who may read and write there"),
        _ => (Failure, $"{FirstLine(exception)} (--verbose shows where)"),
    };

    // libtorch's messages carry a stack trace of their own below the first line.
    private static string FirstLine(Exception exception) => exception.Message.Trim().Split('\n', 2)[0].TrimEnd();
}
