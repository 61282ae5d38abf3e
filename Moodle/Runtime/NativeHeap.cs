using System.Runtime.InteropServices;

namespace Moodle.Runtime;

/// <summary>The heap that libtorch takes its tensors from.</summary>
internal static partial class NativeHeap
{
    // As malloc.h of the GNU C library names them.
    private const int TrimThreshold = -1;
    private const int MapThreshold = -3;
    private const int LargestMapThreshold = 32 << 20;
    private static bool s_absent = !OperatingSystem.IsLinux();

    /// <summary>
    /// Keeps what is freed for what is allocated next, tensors of up to 32 MiB included. By itself the GNU C library gives a large tensor's pages back to the system, and each
    /// page of the next one is a fault that fills it with zeros: a step that makes and drops tensors of a dozen megabytes takes longer for that than for its arithmetic. Does
    /// nothing elsewhere.
    /// </summary>
    public static void Retain() => Try(() =>
    {
        _ = MallocOption(TrimThreshold, int.MaxValue);
        _ = MallocOption(MapThreshold, LargestMapThreshold);
    });

    /// <summary>
    /// Gives pages that are free back to the system. The C library of most Linux systems keeps them, and large tensors that come and go
    /// leave it more and more holes. Does nothing elsewhere.
    /// </summary>
    public static void Trim() => Try(() => _ = MallocTrim(0));

    private static void Try(Action change)
    {
        if (s_absent)
        {
            return;
        }

        try
        {
            change();
        }
        catch (Exception exception) when (exception is EntryPointNotFoundException or DllNotFoundException)
        {
            s_absent = true;
        }
    }

    [LibraryImport("libc", EntryPoint = "mallopt")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int MallocOption(int option, int value);

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int MallocTrim(nuint padding);
}
