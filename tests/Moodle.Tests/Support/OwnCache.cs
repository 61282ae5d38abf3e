namespace Moodle.Tests.Support;

/// <summary>A folder that the program takes for the user's cache until this is disposed.</summary>
internal sealed class OwnCache : IDisposable
{
    private const string Variable = "XDG_CACHE_HOME";
    private readonly string? _before = Environment.GetEnvironmentVariable(Variable);

    /// <summary>Begins.</summary>
    /// <param name="folder">The folder.</param>
    public OwnCache(string folder) => Environment.SetEnvironmentVariable(Variable, folder);

    /// <inheritdoc/>
    public void Dispose() => Environment.SetEnvironmentVariable(Variable, _before);
}
