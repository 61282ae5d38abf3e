using Moodle.Graphs;
using Moodle.Models.Paths;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>
/// What frozen paths answer to training queries that are asked again in every epoch. It is computed once and kept, in half precision, where memory is reckoned to suffice,
/// since an answer takes as long as a whole step of the branches.
/// </summary>
internal sealed class PathAnswers : IDisposable
{
    // 2 GiB.
    private const long MostKept = 1L << 30;
    private readonly PathScorer _paths;
    private readonly Tensor? _kept;

    /// <summary>Asks all queries where the answers are kept.</summary>
    /// <param name="paths">The paths.</param>
    /// <param name="queries">The queries.</param>
    public PathAnswers(PathScorer paths, TrainingQueries queries)
    {
        const int Rows = 4096;
        _paths = paths;
        if ((long)queries.Count * paths.EntityCount > MostKept)
        {
            return;
        }

        using var none = no_grad();
        _kept = empty(queries.Count, paths.EntityCount, ScalarType.Float16, paths.Device).DetachFromDisposeScope();
        for (var first = 0; first < queries.Count; first += Rows)
        {
            using var scope = NewDisposeScope();
            var end = Math.Min(first + Rows, queries.Count);
            Tensor Chunk(ReadOnlySpan<int> all) => tensor(all[first..end].ToArray()).Upload(paths.Device).to(ScalarType.Int64);
            _kept.narrow(0, first, end - first).copy_(paths.Answer(Chunk(queries.Entities), Chunk(queries.Relations)));
        }
    }

    /// <summary>Logits of some of the queries.</summary>
    /// <param name="heads">int64 [rows].</param>
    /// <param name="relations">int64 [rows].</param>
    /// <param name="queries">Which queries these are: int64 [rows].</param>
    /// <returns>float32 [rows, |E|].</returns>
    public Tensor Of(Tensor heads, Tensor relations, Tensor queries)
    {
        using var scope = NewDisposeScope();
        var logits = _kept is null ? _paths.Answer(heads, relations) : _kept.index_select(0, queries).to(ScalarType.Float32);
        return logits.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose() => _kept?.Dispose();
}
