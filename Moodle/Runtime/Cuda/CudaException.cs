namespace Moodle.Runtime.Cuda;

/// <summary>
/// NVIDIA's driver or run-time compiler refused something. The message is one line that names the call and the reason; what the compiler printed is the inner
/// exception's message.
/// </summary>
public sealed class CudaException : Exception
{
    /// <summary>Creates the exception from a complete, one-line message.</summary>
    public CudaException(string message) : base(message)
    {
    }

    /// <summary>Creates the exception from a complete, one-line message, keeping the cause for <c>--verbose</c>.</summary>
    public CudaException(string message, Exception inner) : base(message, inner)
    {
    }

    /// <summary>Creates the exception without a message.</summary>
    public CudaException()
    {
    }
}
