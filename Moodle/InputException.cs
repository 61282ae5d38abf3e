namespace Moodle;

/// <summary>
/// Something the user gave cannot be used: a file, a key, an option. The message is one line that names the file, the line
/// or key, what was expected and how to mend it; the program prints it and ends with exit code 2.
/// </summary>
public sealed class InputException : Exception
{
    /// <summary>Creates the exception from a complete, one-line message.</summary>
    public InputException(string message) : base(message)
    {
    }

    /// <summary>Creates the exception from a complete, one-line message, keeping the cause for <c>--verbose</c>.</summary>
    public InputException(string message, Exception inner) : base(message, inner)
    {
    }

    /// <summary>Creates the exception without a message.</summary>
    public InputException()
    {
    }

    /// <summary>An error in a text file: <c>path:line: problem</c>, followed by the remedy.</summary>
    /// <param name="path">The file.</param>
    /// <param name="line">The line, counted from 1.</param>
    /// <param name="problem">What is wrong and what was expected.</param>
    /// <param name="remedy">How to mend it, or null.</param>
    public static InputException At(string path, long line, string problem, string? remedy = null) =>
        new($"{path}:{line}: {problem}{(remedy is null ? "" : "; " + remedy)}");
}
