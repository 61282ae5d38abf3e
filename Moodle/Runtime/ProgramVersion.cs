using System.Reflection;

namespace Moodle.Runtime;

/// <summary>What this program is.</summary>
public static class ProgramVersion
{
    /// <summary>Its version and, where it was built in a git checkout, the commit after a plus sign.</summary>
    public static string Text { get; } =
        typeof(ProgramVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
}
