using System.Text.RegularExpressions;

namespace Moodle.Tests.Solution;

/// <summary>The house of CONTRIBUTING.md: a folder of Moodle/ is a namespace and a room, and every arrow points down.</summary>
[TestClass]
public sealed partial class ArchitectureTests
{
    private const int MostLines = 400;

    // From the top; beside these, every room but those of the ground floor may use Configuration and Runtime.
    private static readonly (string Room, string[] MayUse)[] Rooms =
    [
        ("Cli", ["Reporting", "Training", "Evaluation", "Models", "Encoders", "Attention", "Modalities", "Graphs"]),
        ("Reporting", ["Training", "Evaluation", "Models", "Modalities", "Graphs"]),
        ("Training", ["Evaluation", "Models", "Encoders", "Attention", "Modalities", "Graphs"]),
        ("Evaluation", ["Models", "Graphs"]),
        ("Models", ["Encoders", "Graphs"]),
        ("Encoders", ["Attention", "Modalities"]),
        ("Attention", []),
        ("Modalities", ["Graphs"]),
        ("Graphs", []),
        ("Runtime", []),
        ("Configuration", []),
    ];

    private static readonly string[] GroundFloor = ["Graphs", "Runtime", "Configuration"];

    [TestMethod]
    public void EveryArrow_PointsDown()
    {
        for (var room = 0; room < Rooms.Length; room++)
        {
            var below = Rooms[(room + 1)..].Select(other => other.Room).ToArray();
            CollectionAssert.IsSubsetOf(Rooms[room].MayUse, below, $"the table itself points up from {Rooms[room].Room}");
        }

        Report(
            from file in SourceFile.Below("Moodle")
            let room = RoomOf(file)
            where room is not null
            from line in file.Code
            from Match mention in NamespacePattern().Matches(line.Text)
            let other = mention.Groups["room"].Value
            where other != room && !MayUse(room).Contains(other)
            select $"{file.Path}:{line.Number}: {room} may not use {other}; see the table in CONTRIBUTING.md");
    }

    [TestMethod]
    public void EveryFile_StandsInTheRoomOfItsNamespace() => Report(
        from file in SourceFile.Below("Moodle")
        let expected = file.Path[..file.Path.LastIndexOf('/')].Replace('/', '.')
        let found = file.Lines.FirstOrDefault(line => line.StartsWith("namespace ", StringComparison.Ordinal))
        where (found is not null && found != $"namespace {expected};") || (RoomOf(file) is { } room && Rooms.All(known => known.Room != room))
        select $"{file.Path}: '{found}' where '{expected}' is expected, a room of the table in CONTRIBUTING.md");

    [TestMethod]
    public void GraphsAndConfiguration_KnowNoTorch() => Report(
        from file in SourceFile.Below("Moodle/Graphs", "Moodle/Configuration")
        from line in file.Code
        where TorchPattern().IsMatch(line.Text)
        select $"{file.Path}:{line.Number}: torch is used");

    [TestMethod]
    public void NoFile_IsTooLongToRead() => Report(
        from file in SourceFile.Below("Moodle", "tests", "data")
        where file.Lines.Length > MostLines
        select $"{file.Path}: {file.Lines.Length} lines, more than {MostLines}; part its subjects");

    private static string? RoomOf(SourceFile file) => file.Path.Split('/') is ["Moodle", var room, _, ..] ? room : null;

    private static IEnumerable<string> MayUse(string room)
    {
        var listed = Rooms.FirstOrDefault(known => known.Room == room).MayUse ?? [];
        return GroundFloor.Contains(room) ? listed : listed.Concat(["Configuration", "Runtime"]);
    }

    private static void Report(IEnumerable<string> problems)
    {
        string[] found = [.. problems];
        Assert.IsEmpty(found, string.Join('\n', found));
    }

    [GeneratedRegex(@"\bMoodle\.(?<room>Cli|Reporting|Training|Evaluation|Models|Encoders|Attention|Modalities|Graphs|Runtime|Configuration)\b")]
    private static partial Regex NamespacePattern();

    [GeneratedRegex(@"\bTorchSharp\b|\btorch\.")]
    private static partial Regex TorchPattern();
}
