using System.Runtime.InteropServices;

namespace Moodle.Runtime;

/// <summary>The C++ runtime library of this process (Linux).</summary>
/// <param name="Path">Its file.</param>
/// <param name="Versions">The symbol versions that it defines, such as <c>GLIBCXX_3.4.30</c>.</param>
internal sealed record LibStdCxx(string Path, IReadOnlySet<string> Versions)
{
    private const string Prefix = "GLIBCXX_";

    /// <summary>The highest GLIBCXX version, such as <c>3.4.30</c>; null where none is defined.</summary>
    public string? Newest => Versions
        .Where(name => name.StartsWith(Prefix, StringComparison.Ordinal))
        .Select(name => Version.TryParse(name.AsSpan(Prefix.Length), out var version) ? version : null)
        .Max()?.ToString();

    /// <summary>Loads it as the loader would for any library, and reads its versions; null where there is none or it cannot be read.</summary>
    public static LibStdCxx? Find()
    {
        if (!OperatingSystem.IsLinux() || !NativeLibrary.TryLoad("libstdc++.so.6", out _))
        {
            return null;
        }
        try
        {
            // The loader's search path is not ours to repeat: ask where the library was mapped from.
            var path = File.ReadLines("/proc/self/maps")
                .Select(line => line.IndexOf('/') is var at and >= 0 ? line[at..] : "")
                .FirstOrDefault(file => System.IO.Path.GetFileName(file).StartsWith("libstdc++.so", StringComparison.Ordinal));
            return path is null ? null : new LibStdCxx(path, ElfVersions.Defined(File.ReadAllBytes(path)).ToHashSet());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException or OverflowException)
        {
            return null;
        }
    }
}
