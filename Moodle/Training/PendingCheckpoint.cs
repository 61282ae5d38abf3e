using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>
/// A checkpoint that is taken often and written seldom: a copy in the host's memory until <see cref="Write"/>. When it was written at every validation, checkpoints
/// took a seventh of a short run on a GPU.
/// </summary>
/// <param name="folder">Where it is written.</param>
/// <param name="name">Its name.</param>
internal sealed class PendingCheckpoint(CheckpointFolder folder, string name) : IDisposable
{
    private TrainingState? _state;
    private Dictionary<string, Tensor> _tensors = [];

    /// <summary>Takes a copy of some tensors; all others stay as the checkpoint has them already.</summary>
    /// <param name="state">Where training stands.</param>
    /// <param name="tensors">All tensors of the checkpoint, as they are now.</param>
    /// <param name="isNew">Which of them are taken, by name.</param>
    /// <exception cref="InputException">What was written before is needed and damaged.</exception>
    public void Take(TrainingState state, IReadOnlyDictionary<string, Tensor> tensors, Func<string, bool> isNew)
    {
        using var scope = NewDisposeScope();
        using var none = no_grad();
        var before = _state is not null ? _tensors : folder.Has(name) && !tensors.Keys.All(isNew) ? folder.Load(name).Tensors : new Dictionary<string, Tensor>();
        var taken = new Dictionary<string, Tensor>();
        foreach (var (key, tensor) in tensors)
        {
            taken[key] = isNew(key) || !before.TryGetValue(key, out var kept) ? tensor.to(CPU, copy: true) : kept;
            taken[key].DetachFromDisposeScope();
        }

        foreach (var (key, tensor) in before)
        {
            if (!ReferenceEquals(taken.GetValueOrDefault(key), tensor))
            {
                tensor.Dispose();
            }
        }

        (_state, _tensors) = (state, taken);
    }

    /// <summary>Writes what was taken since the last time, if anything was.</summary>
    /// <exception cref="InputException">It cannot be written.</exception>
    public void Write()
    {
        if (_state is not null)
        {
            folder.Save(name, _state, _tensors);
            Dispose();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in _tensors.Values)
        {
            tensor.Dispose();
        }

        (_state, _tensors) = (null, []);
    }
}
