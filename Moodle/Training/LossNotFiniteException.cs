namespace Moodle.Training;

/// <summary>Training has diverged: the message names the stage and the remedy.</summary>
public sealed class LossNotFiniteException : InvalidOperationException
{
    /// <summary>Creates the exception from a complete message.</summary>
    public LossNotFiniteException(string message) : base(message)
    {
    }

    /// <summary>Creates the exception from a complete message, keeping the cause.</summary>
    public LossNotFiniteException(string message, Exception? inner) : base(message, inner)
    {
    }

    /// <summary>Creates the exception without a message.</summary>
    public LossNotFiniteException()
    {
    }
}
