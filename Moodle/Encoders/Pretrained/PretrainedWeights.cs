using System.Text.RegularExpressions;
using static TorchSharp.torch;

namespace Moodle.Encoders.Pretrained;

/// <summary>
/// A network's weights, taken one by one by the names that its files give them: each is checked when it is taken, and at the end
/// none may be left over but the heads that are known not to be used. Float32 on the device, whatever the file holds.
/// </summary>
internal sealed class PretrainedWeights : IDisposable
{
    private readonly PretrainedFolder _folder;
    private readonly Device _device;
    private readonly string _prefix;
    private readonly Dictionary<string, string> _names;
    private readonly HashSet<string> _taken = new(StringComparer.Ordinal);
    private readonly List<Tensor> _tensors = [];

    /// <summary>Prepares taking.</summary>
    /// <param name="folder">The files.</param>
    /// <param name="device">Where the weights go.</param>
    /// <param name="prefix">What a whole model puts before the names of this part of it, such as <c>bert.</c>; files of the part alone lack it.</param>
    /// <param name="rename">From a name in the files to the name that the network asks for.</param>
    public PretrainedWeights(PretrainedFolder folder, Device device, string prefix, Func<string, string>? rename = null)
    {
        (_folder, _device) = (folder, device);
        _names = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in folder.Names)
        {
            var known = rename?.Invoke(name) ?? name;
            if (!_names.TryAdd(known, name))
            {
                throw new InputException($"{folder.WeightsPath}: tensors \"{name}\" and \"{_names[known]}\" are the same parameter");
            }
        }

        _prefix = _names.Keys.Any(name => name.StartsWith(prefix, StringComparison.Ordinal)) ? prefix : "";
    }

    /// <summary>Whether a tensor is there.</summary>
    public bool Has(string name) => _names.ContainsKey(_prefix + name);

    /// <summary>The shape of a tensor that is not yet taken, to learn sizes from.</summary>
    public long[] ShapeOf(string name)
    {
        using var tensor = _folder.Read(Find(_prefix + name));
        return tensor.shape;
    }

    /// <summary>Takes a tensor.</summary>
    /// <exception cref="InputException">It is missing or has another shape.</exception>
    public Tensor Take(string name, params long[] shape) => TakeExact(_prefix + name, shape);

    /// <summary>Takes a tensor that stands outside the prefix, such as a projection behind a tower.</summary>
    public Tensor? TakeOutside(string name, params long[] shape) => _names.ContainsKey(name) ? TakeExact(name, shape) : null;

    /// <summary>Takes x Wᵀ + b.</summary>
    public Affine Linear(string name, long outputs, long inputs, bool bias = true) =>
        new(Take(name + ".weight", outputs, inputs), bias ? Take(name + ".bias", outputs) : null);

    /// <summary>Takes a layer norm; its scale and shift may have their old names gamma and beta.</summary>
    public Norm LayerNorm(string name, long size, double epsilon, bool bias = true)
    {
        var old = Has(name + ".gamma");
        return new(Take(name + (old ? ".gamma" : ".weight"), size), bias ? Take(name + (old ? ".beta" : ".bias"), size) : null, epsilon);
    }

    /// <summary>Takes a convolution and the batch normalisation behind it as one convolution; where the files hold a bias, it is folded already.</summary>
    public (Tensor Weight, Tensor Bias) Convolution(string name, long outputs, long inputsOfGroup, long side, double epsilon)
    {
        var weight = Take(name + ".convolution.weight", outputs, inputsOfGroup, side, side);
        if (Has(name + ".convolution.bias"))
        {
            return (weight, Take(name + ".convolution.bias", outputs));
        }

        var norm = name + ".normalization";
        var (scale, shift, mean, variance) = (Take(norm + ".weight", outputs), Take(norm + ".bias", outputs), Take(norm + ".running_mean", outputs), Take(norm + ".running_var", outputs));
        if (Has(norm + ".num_batches_tracked"))
        {
            _taken.Add(_prefix + norm + ".num_batches_tracked");
        }

        using var scope = NewDisposeScope();
        var factor = scale.to(ScalarType.Float64) / (variance.to(ScalarType.Float64) + epsilon).sqrt(); // [outputs]
        var folded = (weight.to(ScalarType.Float64) * factor.view(-1, 1, 1, 1)).to(ScalarType.Float32);
        var bias = (shift.to(ScalarType.Float64) - (mean.to(ScalarType.Float64) * factor)).to(ScalarType.Float32);
        return (Keep(folded), Keep(bias));
    }

    /// <summary>Keeps a tensor that was computed from taken ones as long as the network.</summary>
    public Tensor Keep(Tensor tensor)
    {
        tensor.DetachFromDisposeScope();
        _tensors.Add(tensor);
        return tensor;
    }

    /// <summary>Ends taking.</summary>
    /// <param name="unused">Patterns of names of parts that the network has and features do not need.</param>
    /// <exception cref="InputException">Some tensor belongs to nothing.</exception>
    public void Finish(params string[] unused)
    {
        var patterns = unused.Select(pattern => new Regex($"^(?:{pattern})", RegexOptions.NonBacktracking)).ToArray();
        var stray = _names.Where(pair => !_taken.Contains(pair.Key) && !Array.Exists(patterns, pattern =>
            pattern.IsMatch(pair.Key) || (_prefix.Length > 0 && pair.Key.StartsWith(_prefix, StringComparison.Ordinal) && pattern.IsMatch(pair.Key[_prefix.Length..]))))
            .Select(pair => pair.Value).Order(StringComparer.Ordinal).ToArray();
        if (stray.Length > 0)
        {
            throw new InputException($"{_folder.WeightsPath}: {(stray.Length == 1 ? "tensor" : $"{stray.Length} tensors,")} {string.Join(", ", stray.Take(5).Select(name => $"\"{name}\""))}"
                + $"{(stray.Length > 5 ? " and so on," : "")} belong{(stray.Length == 1 ? "s" : "")} to nothing in the network that config.json describes; use the weights and the config.json of one model");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _tensors.ForEach(tensor => tensor.Dispose());

    private string Find(string name) => _names.TryGetValue(name, out var own) ? own
        : throw new InputException($"{_folder.WeightsPath}: has no tensor \"{name}\", which the network that config.json describes needs; use the weights and the config.json of one model");

    private Tensor TakeExact(string name, long[] shape)
    {
        var own = Find(name);
        using var scope = NewDisposeScope();
        var tensor = _folder.Read(own);
        if (!tensor.shape.SequenceEqual(shape))
        {
            throw new InputException($"{_folder.WeightsPath}: tensor \"{own}\" has shape [{string.Join(", ", tensor.shape)}], the network that config.json describes needs [{string.Join(", ", shape)}]");
        }

        if (!tensor.is_floating_point())
        {
            throw new InputException($"{_folder.WeightsPath}: tensor \"{own}\" holds {tensor.dtype}, expected floating-point numbers; quantised weights are not read");
        }

        _taken.Add(name);
        return Keep(tensor.to(ScalarType.Float32).to(_device));
    }
}

/// <summary>x Wᵀ + b.</summary>
/// <param name="Weight">[outputs, inputs].</param>
/// <param name="Bias">[outputs], or null.</param>
internal sealed record Affine(Tensor Weight, Tensor? Bias)
{
    /// <summary>[..., inputs] to [..., outputs].</summary>
    public Tensor Apply(Tensor x) => nn.functional.linear(x, Weight, Bias);
}

/// <summary>Layer normalisation over the last axis.</summary>
/// <param name="Weight">[size].</param>
/// <param name="Bias">[size], or null.</param>
/// <param name="Epsilon">Added to the variance.</param>
internal sealed record Norm(Tensor Weight, Tensor? Bias, double Epsilon)
{
    /// <summary>[..., size] to the same.</summary>
    public Tensor Apply(Tensor x) => nn.functional.layer_norm(x, [Weight.shape[0]], Weight, Bias, Epsilon);
}
