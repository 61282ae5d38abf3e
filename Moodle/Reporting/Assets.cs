namespace Moodle.Reporting;

/// <summary>The files of the folder Assets, which the program carries.</summary>
internal static class Assets
{
    /// <summary>A file's text.</summary>
    public static string Text(string name)
    {
        using var stream = typeof(Assets).Assembly.GetManifestResourceStream($"Moodle.Reporting.Assets.{name}")
            ?? throw new InvalidOperationException($"the program does not carry {name}");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
