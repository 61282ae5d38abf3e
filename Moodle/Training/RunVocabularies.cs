using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Moodle.Graphs;
using Moodle.Runtime;

namespace Moodle.Training;

/// <summary>What a run's parameters and figures rely on, kept beside its checkpoints: the numbering, and a digest of each split.</summary>
internal static class RunVocabularies
{
    private sealed record Content(string[]? Entities, string[]? Relations, Digests? Sha256);

    private sealed record Digests(string Train, string Validation, string Test);

    /// <summary>Writes those of the graph.</summary>
    public static void Write(string runPath, KnowledgeGraph graph)
    {
        var path = PathOf(runPath);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        AtomicFile.WriteText(path, JsonSerializer.Serialize(new Content([.. graph.Entities.Labels], [.. graph.Relations.Labels], DigestsOf(graph)), JsonSerializerOptions.Web) + "\n");
    }

    /// <summary>Makes sure that a graph has the numbering and the triples that the run was trained with.</summary>
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

        if (content is not { Entities: { } entities, Relations: { } relations, Sha256: { } trained })
        {
            throw new InputException($"{path}: entities, relations or sha256 are missing; train again with --force");
        }

        if (!entities.AsSpan().SequenceEqual(graph.Entities.Labels.AsSpan()) || !relations.AsSpan().SequenceEqual(graph.Relations.Labels.AsSpan()))
        {
            throw Changed("its entities or relations");
        }

        if (DigestsOf(graph) is var now && now != trained)
        {
            throw Changed($"its {(now.Train != trained.Train ? "training" : now.Validation != trained.Validation ? "validation" : "test")} triples");
        }

        InputException Changed(string what) =>
            new($"{graph.Path}: {what} are not those that {runPath} was trained with; restore the data set, or train again with --force");
    }

    private static Digests DigestsOf(KnowledgeGraph graph)
    {
        string Of(Split split) => Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(graph.TriplesOf(split).AsSpan())));
        return new Digests(Of(Split.Train), Of(Split.Validation), Of(Split.Test));
    }

    private static string PathOf(string runPath) => Path.Combine(runPath, "checkpoints", "vocabularies.json");
}
