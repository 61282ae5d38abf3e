using System.Runtime.InteropServices;

namespace Moodle.Runtime;

/// <summary>The heap that libtorch takes its tensors from.</summary>
internal static partial class NativeHeap
{
    private static bool s_absent = !OperatingSystem.IsLinux();

    /// <summary>
    /// Gives pages that are free back to the system. The C library of most Linux systems keeps them, and large tensors that come and go
    /// leave it more and more holes. Does nothing elsewhere.
    /// </summary>
    public static void Trim()
    {
        if (s_absent)
        {
            return;
        }

        try
        {
            _ = MallocTrim(0);
        }
        catch (Exception exception) when (exception is EntryPointNotFoundException or DllNotFoundException)
        {
            s_absent = true;
        }
    }

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int MallocTrim(nuint padding);
}
