namespace Moodle.Runtime;

/// <summary>Tells an allocation that failed, in .NET, in libtorch's allocators or in CUDA's libraries, from every other error.</summary>
internal static class MemoryShortage
{
    private static readonly string[] s_words = ["out of memory", "can't allocate memory", "not enough memory", "out_of_memory", "alloc_failed"];

    /// <summary>Whether memory ran out.</summary>
    public static bool Is(Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        return exception is OutOfMemoryException || s_words.Any(words => exception.Message.Contains(words, StringComparison.OrdinalIgnoreCase));
    }
}
