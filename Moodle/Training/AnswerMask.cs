using Moodle.Graphs;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>
/// Marks the known answers of training queries. The answers lie on the device, in rows one after the other, and the host knows how many each query has: no
/// mask makes it wait.
/// </summary>
internal sealed class AnswerMask : IDisposable
{
    private readonly int _entityCount;
    private readonly int[] _counts;
    private readonly Tensor _starts;
    private readonly Tensor _lengths;
    private readonly Tensor _answers;

    /// <summary>Takes the answers to a device.</summary>
    /// <param name="queries">The queries that masks will be asked for.</param>
    /// <param name="known">Their known answers; null for the queries' own.</param>
    /// <param name="entityCount">|E|.</param>
    /// <param name="device">Where the masks are needed.</param>
    public AnswerMask(TrainingQueries queries, KnownAnswers? known, int entityCount, Device device)
    {
        _entityCount = entityCount;
        _counts = new int[queries.Count];
        var (starts, answers) = (new long[queries.Count], new List<int>(queries.AllAnswers.Length));
        for (var query = 0; query < queries.Count; query++)
        {
            var found = known is null ? queries.Answers(query) : known[queries.Entities[query], queries.Relations[query]];
            (starts[query], _counts[query]) = (answers.Count, found.Length);
            answers.AddRange(found);
        }

        Tensor Resident(Tensor numbers) => numbers.DetachFromDisposeScope();
        _starts = Resident(tensor(starts, device: device));
        _lengths = Resident(tensor(Array.ConvertAll(_counts, count => (long)count), device: device));
        _answers = Resident(tensor(answers.ToArray(), dtype: ScalarType.Int32, device: device));
    }

    /// <summary>True where an entity is a known answer of a query: bool [rows, |E|].</summary>
    /// <param name="queries">The queries of the rows, by their index.</param>
    /// <param name="rows">The same on the device: int64 [rows].</param>
    public Tensor Of(ReadOnlySpan<int> queries, Tensor rows)
    {
        using var scope = NewDisposeScope();
        var total = 0L;
        foreach (var query in queries)
        {
            total += _counts[query];
        }

        var mask = zeros(rows.shape[0] * _entityCount, dtype: ScalarType.Bool, device: _answers.device);
        if (total > 0)
        {
            var lengths = _lengths.index_select(0, rows); // [rows]
            var row = arange(rows.shape[0], device: _answers.device).repeat_interleave(lengths, output_size: total); // [total]
            // Answer i of all is answer i - (answers of the rows before) of its row.
            var shifts = _starts.index_select(0, rows) - lengths.cumsum(0) + lengths; // [rows]
            var places = shifts.index_select(0, row) + arange(total, device: _answers.device);
            mask.index_fill_(0, (row * _entityCount) + _answers.index_select(0, places), true);
        }

        return mask.view(rows.shape[0], _entityCount).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _starts.Dispose();
        _lengths.Dispose();
        _answers.Dispose();
    }
}
