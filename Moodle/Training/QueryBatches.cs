using System.Collections.Immutable;
using Moodle.Graphs;
using Moodle.Models;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>
/// Cuts the training queries into batches of about equally many triples. A query with many answers is dealt out in pieces, so that one
/// popular query never fills a batch; within an epoch every answer of every query comes once. An epoch goes to the device as a whole and
/// batches are views of it: a copy for each would make the host wait for the device in every step.
/// </summary>
internal sealed class QueryBatches : IDisposable
{
    private readonly TrainingQueries _queries;
    private readonly int _batchSize;
    private readonly int _answersPerRow;
    private readonly int[] _answers;
    private readonly ImmutableArray<(int Query, int First, int Count)> _ordered;
    private readonly (int Query, int First, int Count)[] _pieces;
    private readonly List<(int First, int Count, int FirstAnswer, int Answers, long Weight)> _batches = [];
    private QueryBatch? _epoch;
    private Tensor? _indices;

    /// <summary>Prepares batches.</summary>
    /// <param name="queries">The training queries.</param>
    /// <param name="batchSize">Triples in a batch, both directions counted.</param>
    /// <param name="answersPerRow">The most answers of a query that one row of logits serves.</param>
    public QueryBatches(TrainingQueries queries, int batchSize, int answersPerRow)
    {
        (_queries, _batchSize, _answersPerRow) = (queries, batchSize, answersPerRow);
        _answers = new int[queries.AllAnswers.Length];
        var pieces = new List<(int, int, int)>(queries.Count);
        for (var query = 0; query < queries.Count; query++)
        {
            for (var first = queries.Offsets[query]; first < queries.Offsets[query + 1]; first += _answersPerRow)
            {
                pieces.Add((query, first, Math.Min(_answersPerRow, queries.Offsets[query + 1] - first)));
            }
        }

        _ordered = [.. pieces];
        _pieces = [.. pieces];
    }

    /// <summary>Batches of the epoch that was shuffled last.</summary>
    public int Count => _batches.Count;

    /// <summary>Triples of an epoch, both directions counted.</summary>
    public long Triples => _queries.TotalWeight;

    /// <summary>Deals a new epoch; the same generator gives the same batches.</summary>
    public void Shuffle(SplitMix64 random)
    {
        for (var i = 0; i < _answers.Length; i++)
        {
            _answers[i] = i;
        }

        for (var query = 0; query < _queries.Count; query++)
        {
            var (first, end) = (_queries.Offsets[query], _queries.Offsets[query + 1]);
            if (end - first > _answersPerRow)
            {
                random.Shuffle(_answers.AsSpan(first..end));
            }
        }

        // In order first, since a shuffle starts from what the one before left and a resumed run has no such past.
        _ordered.CopyTo(_pieces);
        random.Shuffle<(int, int, int)>(_pieces);
        _batches.Clear();
        DropEpoch();
        for (int first = 0, next, firstAnswer = 0, answers; first < _pieces.Length; first = next, firstAnswer += answers)
        {
            (var weight, answers) = (0L, 0);
            for (next = first; next < _pieces.Length && weight < _batchSize; next++)
            {
                weight += WeightOf(_pieces[next]);
                answers += _pieces[next].Count;
            }

            _batches.Add((first, next - first, firstAnswer, answers, weight));
        }
    }

    /// <summary>The training queries of a batch's rows, by their index.</summary>
    public int[] QueriesOf(int batch) => Array.ConvertAll(PiecesOf(batch).ToArray(), piece => piece.Query);

    /// <summary>The same on a device: int64 [queries], a view that lasts until the next shuffle.</summary>
    public Tensor QueriesOf(int batch, Device device)
    {
        _indices ??= tensor(Array.ConvertAll(_pieces, piece => (long)piece.Query), device: device).DetachFromDisposeScope();
        return _indices.narrow(0, _batches[batch].First, _batches[batch].Count);
    }

    /// <summary>The entities of a batch, known ends and answers, as often as they occur.</summary>
    public IEnumerable<int> EntitiesOf(int batch)
    {
        var (first, count, _, _, _) = _batches[batch];
        for (var place = first; place < first + count; place++)
        {
            var piece = _pieces[place];
            yield return _queries.Entities[piece.Query];
            for (var answer = piece.First; answer < piece.First + piece.Count; answer++)
            {
                yield return _queries.AllAnswers[_answers[answer]];
            }
        }
    }

    /// <summary>A batch as views of the epoch's tensors on a device; they last until the next shuffle.</summary>
    public QueryBatch Get(int batch, Device device) => Parts(batch, int.MaxValue, device).Single();

    /// <summary>A batch in parts of so many rows. Each has the total weight of the whole batch, so that what is divided by it adds up.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="rows">The most rows of a part.</param>
    /// <param name="device">Where the tensors are wanted.</param>
    public IEnumerable<QueryBatch> Parts(int batch, int rows, Device device)
    {
        var epoch = _epoch ??= Epoch(device);
        var (first, left, firstAnswer, _, weight) = _batches[batch];
        for (var before = 0; left > 0; left -= rows, before += rows)
        {
            var count = Math.Min(rows, left);
            var answers = 0;
            foreach (var piece in _pieces.AsSpan(first + before, count))
            {
                answers += piece.Count;
            }

            Tensor OfRows(Tensor all) => all.narrow(0, first + before, count);
            Tensor OfAnswers(Tensor all) => all.narrow(0, firstAnswer, answers);
            var answerRows = OfAnswers(epoch.AnswerRows);
            yield return new QueryBatch(
                OfRows(epoch.Heads), OfRows(epoch.Relations), OfRows(epoch.Weights),
                before == 0 ? answerRows : answerRows - before, OfAnswers(epoch.Answers), OfAnswers(epoch.AnswerWeights), weight);
            firstAnswer += answers;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => DropEpoch();

    // All batches one after the other; rows count from the beginning of their batch.
    private QueryBatch Epoch(Device device)
    {
        var (heads, relations, weights) = (new long[_pieces.Length], new long[_pieces.Length], new float[_pieces.Length]);
        var (rows, answers, counts) = (new long[_answers.Length], new long[_answers.Length], new float[_answers.Length]);
        var at = 0;
        foreach (var batch in _batches)
        {
            for (var row = 0; row < batch.Count; row++)
            {
                var piece = _pieces[batch.First + row];
                var place = batch.First + row;
                (heads[place], relations[place], weights[place]) = (_queries.Entities[piece.Query], _queries.Relations[piece.Query], WeightOf(piece));
                foreach (var answer in _answers.AsSpan(piece.First, piece.Count))
                {
                    (rows[at], answers[at], counts[at]) = (row, _queries.AllAnswers[answer], _queries.AllMultiplicities[answer]);
                    at++;
                }
            }
        }

        Tensor Numbers(long[] values) => tensor(values, device: device).DetachFromDisposeScope();
        Tensor Weights(float[] values) => tensor(values, device: device).DetachFromDisposeScope();
        return new QueryBatch(Numbers(heads), Numbers(relations), Weights(weights), Numbers(rows), Numbers(answers), Weights(counts), _queries.TotalWeight);
    }

    private void DropEpoch()
    {
        if (_epoch is { } epoch)
        {
            foreach (var tensor in new[] { epoch.Heads, epoch.Relations, epoch.Weights, epoch.AnswerRows, epoch.Answers, epoch.AnswerWeights })
            {
                tensor.Dispose();
            }
        }

        _indices?.Dispose();
        (_epoch, _indices) = (null, null);
    }

    private ReadOnlySpan<(int Query, int First, int Count)> PiecesOf(int batch) => _pieces.AsSpan(_batches[batch].First, _batches[batch].Count);

    private int WeightOf((int Query, int First, int Count) piece)
    {
        var sum = 0;
        foreach (var answer in _answers.AsSpan(piece.First, piece.Count))
        {
            sum += _queries.AllMultiplicities[answer];
        }

        return sum;
    }
}
