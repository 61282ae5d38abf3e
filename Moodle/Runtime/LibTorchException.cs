namespace Moodle.Runtime;

/// <summary>libtorch cannot be loaded. The message is one line that names the file, the loader's reason and the remedy; exit code 1.</summary>
public sealed class LibTorchException : Exception
{
    /// <summary>Creates the exception from a complete, one-line message.</summary>
    public LibTorchException(string message) : base(message)
    {
    }

    /// <summary>Creates the exception from a complete, one-line message, keeping the cause for <c>--verbose</c>.</summary>
    public LibTorchException(string message, Exception inner) : base(message, inner)
    {
    }

    /// <summary>Creates the exception without a message.</summary>
    public LibTorchException()
    {
    }
}
