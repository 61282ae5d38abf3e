using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Tests.Encoders.Pretrained;

/// <summary>Seeded weights by name, to be written as files and to be computed with in float64.</summary>
internal sealed class KnownWeights(int seed)
{
    private readonly Random _random = new(seed);
    private readonly Dictionary<string, (long[] Shape, double[] Values)> _weights = [];

    public IReadOnlyCollection<string> Names => _weights.Keys;

    public double[] this[string name] => _weights[name].Values;

    public long[] ShapeOf(string name) => _weights[name].Shape;

    public bool Has(string name) => _weights.ContainsKey(name);

    /// <summary>Adds a weight of values around <paramref name="centre"/> that float32 holds exactly.</summary>
    public void Add(string name, double centre, double spread, params long[] shape) => _weights.Add(name, (shape,
        [.. Enumerable.Range(0, (int)shape.Aggregate(1L, (product, size) => product * size)).Select(_ => (double)(float)(centre + (spread * ((2 * _random.NextDouble()) - 1))))]));

    public void AddLinear(string name, int outputs, int inputs, bool bias = true)
    {
        Add(name + ".weight", 0, 1.5 / Math.Sqrt(inputs), outputs, inputs);
        if (bias)
        {
            Add(name + ".bias", 0, 0.3, outputs);
        }
    }

    public void AddNorm(string name, int size, bool bias = true)
    {
        Add(name + ".weight", 1, 0.3, size);
        if (bias)
        {
            Add(name + ".bias", 0, 0.3, size);
        }
    }

    /// <summary>A convolution and its batch normalisation.</summary>
    public void AddConvolution(string name, int outputs, int inputsOfGroup, int side)
    {
        Add(name + ".convolution.weight", 0, 1.7 / Math.Sqrt(inputsOfGroup * side * side), outputs, inputsOfGroup, side, side);
        AddNorm(name + ".normalization", outputs);
        Add(name + ".normalization.running_mean", 0, 0.2, outputs);
        Add(name + ".normalization.running_var", 1, 0.4, outputs);
    }

    public void Remove(string name) => _weights.Remove(name);

    public void Rename(string from, string to)
    {
        _weights.Remove(from, out var weight);
        _weights.Add(to, weight);
    }

    /// <summary>Writes weights into a safetensors file, those whose names a filter lets through.</summary>
    public void Write(string path, Func<string, bool>? filter = null, string prefix = "")
    {
        using var scope = NewDisposeScope();
        Safetensors.Write(path, _weights.Where(pair => filter?.Invoke(pair.Key) ?? true).ToDictionary(
            pair => prefix + pair.Key, pair => tensor(Array.ConvertAll(pair.Value.Values, value => (float)value)).reshape(pair.Value.Shape)));
    }

    /// <summary>Writes a folder of a configuration and weights in one file.</summary>
    public string WriteFolder(string folder, string config, string prefix = "")
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), config);
        Write(Path.Combine(folder, "model.safetensors"), prefix: prefix);
        return folder;
    }
}
