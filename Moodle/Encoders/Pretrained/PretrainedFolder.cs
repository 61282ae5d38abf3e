using System.Security.Cryptography;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Encoders.Pretrained;

/// <summary>
/// A pre-trained network on disk: a folder of <c>config.json</c> with <c>model.safetensors</c> (whole, or in parts with
/// <c>model.safetensors.index.json</c>) or <c>model.npz</c>; or an <c>.npz</c> file alone, which must be a MobileNetV2
/// (<see cref="MobileNetV2Model"/>). A pickle is never executed.
/// </summary>
public sealed class PretrainedFolder : IDisposable
{
    private const string WeightsName = "model.safetensors";
    private const string IndexName = WeightsName + ".index.json";
    private const string ArchiveName = "model.npz";
    private static readonly string[] s_pickles = [".bin", ".pt", ".pth", ".pkl", ".ckpt", ".h5", ".msgpack", ".onnx"];
    private readonly List<IDisposable> _open = [];
    private readonly Dictionary<string, Func<Tensor>> _tensors = new(StringComparer.Ordinal);

    private PretrainedFolder(string path) => Path = path;

    /// <summary>The folder, or the archive.</summary>
    public string Path { get; }

    /// <summary><c>config.json</c>; null for an archive alone.</summary>
    public JsonFile? Config { get; private set; }

    /// <summary>What errors blame for a tensor.</summary>
    public string WeightsPath { get; private set; } = "";

    /// <summary>The names of all tensors, of all parts.</summary>
    public IReadOnlyCollection<string> Names => _tensors.Keys;

    /// <summary>Opens a network; its tensors are read when they are asked for.</summary>
    /// <exception cref="InputException">A file is missing, damaged or of a kind that is not read.</exception>
    public static PretrainedFolder Open(string path)
    {
        var folder = new PretrainedFolder(path);
        try
        {
            folder.Open();
            return folder;
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Reads a tensor into new memory.</summary>
    public Tensor Read(string name) => _tensors[name]();

    /// <summary>A digest of everything in the folder that features depend on: weights, configuration, tokenizer, preprocessing.</summary>
    /// <exception cref="InputException">It is not there or cannot be read.</exception>
    public static string Digest(string path)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        try
        {
            string[] files = File.Exists(path) ? [path] : [.. Directory.EnumerateFiles(path).Where(IsRead).Order(StringComparer.Ordinal)];
            foreach (var file in files)
            {
                hash.AppendData(System.Text.Encoding.UTF8.GetBytes(System.IO.Path.GetFileName(file) + "\n"));
                using var stream = File.OpenRead(file);
                hash.AppendData(SHA256.HashData(stream));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path}: the encoder cannot be read: {e.Message.ReplaceLineEndings(" ").TrimEnd('.')}; bring it back, or change the configuration's pretrained.path", e);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <inheritdoc/>
    public void Dispose() => _open.ForEach(file => file.Dispose());

    private static bool IsRead(string file) => System.IO.Path.GetExtension(file) is ".json" or ".safetensors" or ".npz" or ".txt";

    private string At(string name) => System.IO.Path.Combine(Path, name);

    private void Open()
    {
        if (File.Exists(Path))
        {
            AddArchive(Path);
            return;
        }

        if (!Directory.Exists(Path))
        {
            throw new InputException($"{Path}: there is no such folder; expected one with config.json and {WeightsName}");
        }

        if (File.Exists(At(WeightsName)))
        {
            AddFile(At(WeightsName));
        }
        else if (File.Exists(At(IndexName)))
        {
            AddParts();
        }
        else if (File.Exists(At(ArchiveName)))
        {
            AddArchive(At(ArchiveName));
        }
        else
        {
            throw NoWeights();
        }

        Config = File.Exists(At("config.json")) ? JsonFile.Read(At("config.json")) : throw new InputException($"{At("config.json")}: is missing; it says which network the weights are of");
    }

    private void AddFile(string file)
    {
        WeightsPath = file;
        var weights = Safetensors.Open(file);
        _open.Add(weights);
        foreach (var name in weights.Names)
        {
            if (!_tensors.TryAdd(name, () => weights.Read(name)))
            {
                throw new InputException($"{file}: tensor \"{name}\" stands in another part as well");
            }
        }
    }

    private void AddParts()
    {
        var index = JsonFile.Read(At(IndexName));
        var map = index.Part("weight_map") ?? throw index.Problem("weight_map", "is missing");
        var places = map.Names.ToDictionary(name => name, name => map.Text(name)!, StringComparer.Ordinal);
        foreach (var part in places.Values.Distinct().Order(StringComparer.Ordinal))
        {
            if (part != System.IO.Path.GetFileName(part) || part is "" or "." or "..")
            {
                throw index.Problem("weight_map", $"names '{part}', which is no file in the folder");
            }

            AddFile(At(part));
        }

        WeightsPath = At(IndexName);
        if (places.Keys.FirstOrDefault(name => !_tensors.ContainsKey(name)) is { } missing)
        {
            throw new InputException($"{At(places[missing])}: tensor \"{missing}\" is missing, which {IndexName} says is there; fetch the folder again");
        }

        if (_tensors.Keys.FirstOrDefault(name => !places.ContainsKey(name)) is { } stray)
        {
            throw index.Problem("weight_map", $"does not name tensor \"{stray}\", which a part holds; fetch the folder again");
        }
    }

    private void AddArchive(string file)
    {
        if (System.IO.Path.GetExtension(file) != ".npz")
        {
            throw new InputException($"{file}: is a file; expected a folder with config.json and {WeightsName}, or an .npz file of MobileNetV2");
        }

        WeightsPath = file;
        var weights = NumpyArchive.Open(file);
        _open.Add(weights);
        foreach (var name in weights.Names)
        {
            _tensors.Add(name, () => weights.Read(name));
        }
    }

    private InputException NoWeights()
    {
        var pickle = Directory.EnumerateFiles(Path).Order(StringComparer.Ordinal).FirstOrDefault(file => s_pickles.Contains(System.IO.Path.GetExtension(file)));
        return new InputException(pickle is null
            ? $"{At(WeightsName)}: is missing, and so are {IndexName} and {ArchiveName}"
            : $"{pickle}: is a format that is not read (a pickle is a program, which is never executed); where you trust it, convert it once in Python: "
                + $"from transformers import AutoModel; AutoModel.from_pretrained('{Path}').save_pretrained('{Path}', safe_serialization=True)");
    }
}
