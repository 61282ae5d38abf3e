using System.Collections.Immutable;
using System.Text.Json;
using Moodle.Configuration;
using Moodle.Graphs;
using Moodle.Models;
using Moodle.Models.Paths;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>
/// Trained paths in the user's cache, like encoders: they depend on no other part of the model and take longer than all of it, so that another run on the same triples takes
/// them as they are.
/// </summary>
internal sealed class PathCache
{
    // Raised when the code changes what comes out of the same inputs.
    private const string Version = "1";
    private const string Key = "key";
    private readonly string _key;

    /// <summary>Names what the configuration and the triples give.</summary>
    /// <param name="config">How paths are trained, and validated.</param>
    /// <param name="graph">The graph that they lead along.</param>
    /// <param name="asked">The triples that they learn to answer.</param>
    /// <param name="device">Where they are trained.</param>
    public PathCache(MoodleConfig config, KnowledgeGraph graph, ImmutableArray<Triple> asked, Device device)
    {
        var training = config.Training;
        _key = FeatureStore.KeyOf(
        [
            Version, $"{config.Seed} {device} {training.Products} {training.ValidationTriples} {training.ValidateEvery} {training.Patience}", JsonSerializer.Serialize(config.Paths),
            string.Join('\n', graph.Entities.Labels), string.Join('\n', graph.Relations.Labels), string.Join('\n', graph.Train), string.Join('\n', graph.Validation), string.Join('\n', asked),
        ]);
        File = Path.Combine(UserCache.Folder("features"), $"{MultimodalModel.PathsName}-{_key}.safetensors");
    }

    /// <summary>The file that holds them.</summary>
    public string File { get; }

    /// <summary>Takes the parameters from the cache, or returns false where it has none.</summary>
    public bool TryLoad(PathNetwork paths)
    {
        if (!System.IO.File.Exists(File))
        {
            return false;
        }

        using var scope = NewDisposeScope();
        using var file = Safetensors.Open(File);
        if (!file.Metadata.TryGetValue(Key, out var found) || found != _key)
        {
            return false;
        }

        ModuleTensors.Load(paths, "", file.Names.ToDictionary(name => name, file.Read), File);
        return true;
    }

    /// <summary>Keeps the parameters.</summary>
    public void Keep(PathNetwork paths) => Safetensors.Write(File, ModuleTensors.Of(paths, ""), new Dictionary<string, string> { [Key] = _key });
}
