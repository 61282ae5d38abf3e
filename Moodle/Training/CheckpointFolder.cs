using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>
/// The checkpoints of a run: <c>NAME.json</c> says where training stood and which tensor file belongs to it. The JSON is renamed into place
/// after its tensors are complete on disk, so a checkpoint is either there or not.
/// </summary>
internal sealed class CheckpointFolder(string path)
{
    /// <summary>The newest checkpoint, from which training resumes.</summary>
    public const string Last = "last";

    /// <summary>The checkpoint with the best validation MRR.</summary>
    public const string Best = "best";

    /// <summary>Whether a checkpoint of the name is there.</summary>
    public bool Has(string name) => File.Exists(JsonPath(name));

    /// <summary>The JSON file of a checkpoint.</summary>
    public string JsonPath(string name) => Path.Combine(path, name + ".json");

    /// <summary>Writes a checkpoint in place of the one of the same name.</summary>
    public void Save(string name, TrainingState state, IReadOnlyDictionary<string, Tensor> tensors)
    {
        Directory.CreateDirectory(path);
        var file = $"{name}-{state.Stage}-{state.Epoch}-{state.Step}.safetensors";
        Safetensors.Write(Path.Combine(path, file), tensors, new Dictionary<string, string> { ["stage"] = state.Stage });
        AtomicFile.WriteText(JsonPath(name), (state with { Tensors = file }).ToJson() + "\n");
        foreach (var old in Directory.EnumerateFiles(path, name + "-*.safetensors"))
        {
            if (Path.GetFileName(old) != file)
            {
                File.Delete(old);
            }
        }
    }

    /// <summary>Reads a checkpoint. The caller owns the tensors.</summary>
    /// <exception cref="InputException">It is missing or damaged.</exception>
    public (TrainingState State, IReadOnlyDictionary<string, Tensor> Tensors) Load(string name) => LoadFile(JsonPath(name));

    /// <summary>Reads a checkpoint by the path of its JSON file.</summary>
    /// <exception cref="InputException">It is missing or damaged.</exception>
    public static (TrainingState State, IReadOnlyDictionary<string, Tensor> Tensors) LoadFile(string json)
    {
        var state = TrainingState.Read(json);
        try
        {
            using var file = Safetensors.Open(Path.Combine(Path.GetDirectoryName(json)!, state.Tensors));
            return (state, file.Names.ToDictionary(name => name, file.Read));
        }
        catch (InputException exception)
        {
            throw new InputException($"{json}: its tensors are damaged: {exception.Message}; give another checkpoint with --checkpoint, or train again with --force", exception);
        }
    }
}
