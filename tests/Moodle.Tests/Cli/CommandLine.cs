using Moodle.Cli;

namespace Moodle.Tests.Cli;

/// <summary>What a command line answered.</summary>
internal sealed record CommandLine(int Code, string Out, string Error)
{
    /// <summary>Runs it within this process.</summary>
    public static CommandLine Run(params string[] args)
    {
        var (output, error) = (Console.Out, Console.Error);
        using var newOutput = new StringWriter();
        using var newError = new StringWriter();
        Console.SetOut(newOutput);
        Console.SetError(newError);
        try
        {
            return new(MoodleCommand.Run(args), newOutput.ToString(), newError.ToString());
        }
        finally
        {
            Console.SetOut(output);
            Console.SetError(error);
        }
    }

    /// <summary>Runs it and expects success; gives what it printed.</summary>
    public static string Done(params string[] args)
    {
        var answer = Run(args);
        Assert.AreEqual(0, answer.Code, answer.Error);
        return answer.Out;
    }

    /// <summary>Runs it and expects a refusal that says all this.</summary>
    public static void Refused(string[] args, params string[] words) => Run(args).IsRefusal(words);

    /// <summary>Exit code 2, one clear line at the end of the error stream that says all this, nothing printed and no stack trace.</summary>
    public void IsRefusal(params string[] words)
    {
        var lines = Error.TrimEnd('\n').Split('\n');
        Assert.AreEqual(2, Code, Error);
        Assert.StartsWith("moodle: ", lines[^1]);
        Assert.AreEqual(1, lines.Count(line => line.StartsWith("moodle: ", StringComparison.Ordinal)), Error);
        Assert.DoesNotContain("   at ", Error);
        Assert.DoesNotContain("Exception", Error);
        foreach (var word in words)
        {
            Assert.Contains(word, lines[^1]);
        }
    }
}
