namespace Moodle.Graphs.Layouts;

/// <summary>The names that a layout gives the files of its splits, the usual one first.</summary>
/// <param name="Layout">The layout's name, for errors.</param>
/// <param name="Train">Names of the training split.</param>
/// <param name="Validation">Names of the validation split.</param>
/// <param name="Test">Names of the test split.</param>
internal sealed record SplitFiles(string Layout, string[] Train, string[] Validation, string[] Test)
{
    /// <summary>The names in words.</summary>
    public string LookedFor => string.Join(", ", new[] { Train, Validation, Test }.Select(names => string.Join(" or ", names)));

    /// <summary>Which of the three are there.</summary>
    public LayoutMatch Match(string folder)
    {
        var found = new[] { Train, Validation, Test }.Count(names => Existing(folder, names) is not null);
        return found == 3 ? LayoutMatch.Complete : found > 0 ? LayoutMatch.Partial : LayoutMatch.None;
    }

    /// <summary>The path of the training split where it is there.</summary>
    public string? TrainPath(string folder) => Existing(folder, Train);

    /// <summary>The paths of all three.</summary>
    /// <exception cref="InputException">One is missing.</exception>
    public (string Train, string Validation, string Test) Find(string folder) => (Find(folder, Train), Find(folder, Validation), Find(folder, Test));

    private static string? Existing(string folder, string[] names) => names.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    private string Find(string folder, string[] names) => Existing(folder, names)
        ?? throw new InputException($"{Path.Combine(folder, names[0])}: no such file; the {Layout} layout needs {LookedFor}");
}
