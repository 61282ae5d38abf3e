using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>
/// An optimizer over named parameters that takes one native call for all of them. Move the parameters to their device before
/// making it; all must have one type and one device.
/// </summary>
public abstract class ParameterOptimizer : IDisposable
{
    private readonly (string Name, Tensor Parameter)[] _parameters;
    private readonly Dictionary<string, Tensor[]> _state = new(StringComparer.Ordinal);

    /// <summary>Keeps the parameters; they stay the caller's.</summary>
    /// <param name="parameters">Names and parameters, as from <c>Module.named_parameters()</c>; the names label the state.</param>
    /// <exception cref="ArgumentException">There are none, a name twice, or they differ in type or device.</exception>
    protected ParameterOptimizer(IEnumerable<(string name, Parameter parameter)> parameters)
    {
        _parameters = [.. parameters.Select(pair => (pair.name, (Tensor)pair.parameter))];
        if (_parameters.Length == 0 || _parameters.DistinctBy(pair => pair.Name).Count() != _parameters.Length)
        {
            throw new ArgumentException("an optimizer needs parameters, each with its own name", nameof(parameters));
        }
        var first = _parameters[0].Parameter;
        var odd = Array.Find(_parameters, pair =>
            pair.Parameter.dtype != first.dtype || pair.Parameter.device_type != first.device_type || pair.Parameter.device_index != first.device_index);
        if (odd.Parameter is not null)
        {
            throw new ArgumentException(
                $"parameter {odd.Name} has type {odd.Parameter.dtype} on {odd.Parameter.device}, {_parameters[0].Name} {first.dtype} on {first.device}",
                nameof(parameters));
        }
        // Float32 counters: the fused operations ask for that, and they are exact up to 2^24 steps.
        AddState("step", _ => zeros([], dtype: ScalarType.Float32, device: first.device));
    }

    /// <summary>Updates every parameter that has a gradient. Does not wait for the device.</summary>
    /// <param name="learningRate">This step's learning rate.</param>
    public void Step(double learningRate)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var gradients = Array.ConvertAll(_parameters, pair => pair.Parameter.grad);
        var present = Enumerable.Range(0, gradients.Length).Where(i => gradients[i] is not null).ToArray();
        if (present.Length > 0)
        {
            Update(
                Array.ConvertAll(present, i => _parameters[i].Parameter),
                Array.ConvertAll(present, i => gradients[i]!),
                kind => Array.ConvertAll(present, i => _state[kind][i]),
                learningRate);
        }
    }

    /// <summary>Drops all gradients.</summary>
    public void ZeroGrad()
    {
        foreach (var (_, parameter) in _parameters)
        {
            parameter.grad = null;
        }
    }

    /// <summary>What a checkpoint must keep: tensors named by parameter and kind, such as <c>entities.weight.step</c>.</summary>
    /// <returns>The optimizer's own tensors; do not dispose them.</returns>
    public IReadOnlyDictionary<string, Tensor> State() => (
        from kind in _state
        from item in _parameters.Zip(kind.Value)
        select (Name: $"{item.First.Name}.{kind.Key}", Tensor: item.Second)).ToDictionary(item => item.Name, item => item.Tensor, StringComparer.Ordinal);

    /// <summary>Takes over a state that <see cref="State"/> gave, by copying; training then goes on as if never interrupted.</summary>
    /// <exception cref="InputException">A tensor is missing or has another shape or type; nothing was changed.</exception>
    public void Load(IReadOnlyDictionary<string, Tensor> state)
    {
        ArgumentNullException.ThrowIfNull(state);
        var own = State();
        foreach (var (name, tensor) in own)
        {
            if (!state.TryGetValue(name, out var given))
            {
                throw new InputException($"the optimizer's state lacks \"{name}\"; resume with the configuration that wrote it");
            }
            if (!given.shape.SequenceEqual(tensor.shape) || given.dtype != tensor.dtype)
            {
                throw new InputException(
                    $"the optimizer's state \"{name}\" is {given.dtype} [{string.Join(", ", given.shape)}], expected {tensor.dtype} "
                    + $"[{string.Join(", ", tensor.shape)}]; resume with the configuration that wrote it");
            }
        }
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        foreach (var (name, tensor) in own)
        {
            tensor.copy_(state[name]);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in _state.Values.SelectMany(tensors => tensors))
        {
            tensor.Dispose();
        }
        GC.SuppressFinalize(this);
    }

    /// <summary>Adds a tensor to the state of every parameter.</summary>
    private protected void AddState(string kind, Func<Tensor, Tensor> create)
    {
        using var noGrad = no_grad();
        _state.Add(kind, Array.ConvertAll(_parameters, pair => create(pair.Parameter).DetachFromDisposeScope()));
    }

    /// <summary>Zeros of the parameters' shapes.</summary>
    private protected void AddZeros(string kind) => AddState(kind, parameter => zeros_like(parameter));

    /// <summary>Does one step; all arrays have the same order. Called without gradients and inside a dispose scope.</summary>
    private protected abstract void Update(Tensor[] parameters, Tensor[] gradients, Func<string, Tensor[]> state, double learningRate);
}
