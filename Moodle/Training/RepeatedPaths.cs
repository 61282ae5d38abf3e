using Moodle.Models.Paths;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>
/// Answers of frozen paths to queries that are asked again and again in the same batches and the same order, as validation asks them after every epoch: computed the first time,
/// and kept as far as memory is reckoned to suffice. Asking paths takes longer than all the rest of a validation.
/// </summary>
/// <param name="paths">The paths.</param>
internal sealed class RepeatedPaths(PathScorer paths) : IDisposable
{
    // 2 GiB.
    private const long MostKept = 1L << 29;
    private readonly List<Tensor> _kept = [];
    private long _numbers;
    private int _next;

    /// <summary>From now on the queries come from the first one again.</summary>
    public void Restart() => _next = 0;

    /// <summary>Logits of the next batch: float32 [queries, |E|]. They are the caller's, who may overwrite them: ranking on a GPU does.</summary>
    /// <param name="heads">int64 [queries].</param>
    /// <param name="relations">int64 [queries].</param>
    public Tensor Answer(Tensor heads, Tensor relations)
    {
        if (_next < _kept.Count)
        {
            return _kept[_next++].clone();
        }

        var logits = paths.Answer(heads, relations);
        _numbers += logits.numel();
        if (_numbers <= MostKept)
        {
            _kept.Add(logits.clone().DetachFromDisposeScope());
            _next++;
        }

        return logits;
    }

    /// <inheritdoc/>
    public void Dispose() => _kept.ForEach(tensor => tensor.Dispose());
}
