using System.Text.Json;
using Moodle.Graphs;
using Moodle.Runtime;

namespace Moodle.Training;

/// <summary>The numbering that a run's parameters rely on, kept beside its checkpoints.</summary>
internal static class RunVocabularies
{
    private sealed record Content(string[] Entities, string[] Relations);

    /// <summary>Writes the graph's numbering.</summary>
    public static void Write(string runPath, KnowledgeGraph graph)
    {
        var path = PathOf(runPath);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        AtomicFile.WriteText(path, JsonSerializer.Serialize(new Content([.. graph.Entities.Labels], [.. graph.Relations.Labels]), JsonSerializerOptions.Web) + "\n");
    }

    /// <summary>Makes sure that a graph has the numbering that the run was trained with.</summary>
    /// <exception cref="InputException">It has not, or the file is missing or damaged.</exception>
    public static void Check(string runPath, KnowledgeGraph graph)
    {
        var path = PathOf(runPath);
        Content? content;
        try
        {
            content = JsonSerializer.Deserialize<Content>(File.ReadAllText(path), JsonSerializerOptions.Web);
        }
        catch (Exception exception) when (exception is IOException or JsonException)
        {
            throw new InputException($"{path}: cannot be read ({exception.Message}); train again with --force", exception);
        }

        if (content is null || !content.Entities.AsSpan().SequenceEqual(graph.Entities.Labels.AsSpan()) || !content.Relations.AsSpan().SequenceEqual(graph.Relations.Labels.AsSpan()))
        {
            throw new InputException($"{graph.Path}: its entities or relations are not those that {runPath} was trained with; restore the data set, or train again with --force");
        }
    }

    private static string PathOf(string runPath) => Path.Combine(runPath, "checkpoints", "vocabularies.json");
}
