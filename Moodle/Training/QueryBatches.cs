using Moodle.Graphs;
using Moodle.Models;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>
/// Cuts the training queries into batches of about equally many triples. A query with many answers is dealt out in pieces, so that one
/// popular query never fills a batch; within an epoch every answer of every query comes once.
/// </summary>
internal sealed class QueryBatches
{
    private readonly TrainingQueries _queries;
    private readonly int _batchSize;
    private readonly int _answersPerRow;
    private readonly int[] _answers;
    private readonly (int Query, int First, int Count)[] _pieces;
    private readonly List<(int First, int Count)> _batches = [];

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

        // Sorted first, since a shuffle starts from what the one before left and a resumed run has no such past.
        Array.Sort(_pieces);
        random.Shuffle<(int, int, int)>(_pieces);
        _batches.Clear();
        for (int first = 0, next; first < _pieces.Length; first = next)
        {
            long weight = 0;
            for (next = first; next < _pieces.Length && weight < _batchSize; next++)
            {
                weight += WeightOf(_pieces[next]);
            }

            _batches.Add((first, next - first));
        }
    }

    /// <summary>Entity and relation of a batch's queries, on the host.</summary>
    public (int Entity, int Relation)[] QueriesOf(int batch) =>
        Array.ConvertAll(_pieces[_batches[batch].First..(_batches[batch].First + _batches[batch].Count)],
            piece => (_queries.Entities[piece.Query], _queries.Relations[piece.Query]));

    /// <summary>Tensors of a batch on a device.</summary>
    public QueryBatch Get(int batch, Device device)
    {
        var pieces = _pieces.AsSpan(_batches[batch].First, _batches[batch].Count);
        var (heads, relations, weights) = (new long[pieces.Length], new long[pieces.Length], new float[pieces.Length]);
        var (rows, answers, counts) = (new List<long>(_batchSize), new List<long>(_batchSize), new List<float>(_batchSize));
        var total = 0L;
        for (var row = 0; row < pieces.Length; row++)
        {
            var (query, first, count) = pieces[row];
            (heads[row], relations[row]) = (_queries.Entities[query], _queries.Relations[query]);
            foreach (var answer in _answers.AsSpan(first, count))
            {
                rows.Add(row);
                answers.Add(_queries.AllAnswers[answer]);
                counts.Add(_queries.AllMultiplicities[answer]);
            }

            var weight = WeightOf(pieces[row]);
            weights[row] = weight;
            total += weight;
        }

        return new QueryBatch(
            tensor(heads, device: device), tensor(relations, device: device), tensor(weights, device: device),
            tensor(rows.ToArray(), device: device), tensor(answers.ToArray(), device: device), tensor(counts.ToArray(), device: device), total);
    }

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
