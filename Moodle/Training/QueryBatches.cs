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
    private readonly ImmutableArray<(int Query, int First, int Count)> _ordered;
    private DealtEpoch _dealt;
    private QueryBatch? _epoch;
    private Tensor? _indices;

    /// <summary>Prepares batches.</summary>
    /// <param name="queries">The training queries.</param>
    /// <param name="batchSize">Triples in a batch, both directions counted.</param>
    /// <param name="answersPerRow">The most answers of a query that one row of logits serves.</param>
    public QueryBatches(TrainingQueries queries, int batchSize, int answersPerRow)
    {
        (_queries, _batchSize, _answersPerRow) = (queries, batchSize, answersPerRow);
        var pieces = new List<(int, int, int)>(queries.Count);
        for (var query = 0; query < queries.Count; query++)
        {
            for (var first = queries.Offsets[query]; first < queries.Offsets[query + 1]; first += _answersPerRow)
            {
                pieces.Add((query, first, Math.Min(_answersPerRow, queries.Offsets[query + 1] - first)));
            }
        }

        _ordered = [.. pieces];
        _dealt = new DealtEpoch(queries, [], [], batchSize);
    }

    /// <summary>Batches of the epoch that began last.</summary>
    public int Count => _dealt.Batches.Count;

    /// <summary>Triples of an epoch, both directions counted.</summary>
    public long Triples => _queries.TotalWeight;

    /// <summary>Deals a new epoch and begins it; the same generator gives the same batches.</summary>
    public void Shuffle(SplitMix64 random) => Begin(Deal(random));

    /// <summary>Deals an epoch while another goes on.</summary>
    /// <param name="random">The epoch's own generator.</param>
    public DealtEpoch Deal(SplitMix64 random)
    {
        var answers = new int[_queries.AllAnswers.Length];
        for (var i = 0; i < answers.Length; i++)
        {
            answers[i] = i;
        }

        for (var query = 0; query < _queries.Count; query++)
        {
            var (first, end) = (_queries.Offsets[query], _queries.Offsets[query + 1]);
            if (end - first > _answersPerRow)
            {
                random.Shuffle(answers.AsSpan(first..end));
            }
        }

        var pieces = _ordered.ToArray();
        random.Shuffle<(int, int, int)>(pieces);
        return new DealtEpoch(_queries, pieces, answers, _batchSize);
    }

    /// <summary>Begins an epoch that was dealt; the tensors of the one before are disposed of.</summary>
    public void Begin(DealtEpoch dealt)
    {
        DropEpoch();
        _dealt = dealt;
    }

    /// <summary>The training queries of a batch's rows, by their index.</summary>
    public int[] QueriesOf(int batch) => Array.ConvertAll(_dealt.PiecesOf(batch).ToArray(), piece => piece.Query);

    /// <summary>The same on a device: int64 [queries], a view that lasts until the next shuffle.</summary>
    public Tensor QueriesOf(int batch, Device device)
    {
        _indices ??= tensor(Array.ConvertAll(_dealt.Pieces, piece => (long)piece.Query), device: device).DetachFromDisposeScope();
        return _indices.narrow(0, _dealt.Batches[batch].First, _dealt.Batches[batch].Count);
    }

    /// <summary>The entities of a batch, known ends and answers, as often as they occur.</summary>
    public IEnumerable<int> EntitiesOf(int batch)
    {
        var (first, count, firstAnswer, answers, _) = _dealt.Batches[batch];
        return _dealt.Heads.Skip(first).Take(count).Concat(_dealt.Answers.Skip(firstAnswer).Take(answers)).Select(entity => (int)entity);
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
        var (first, left, firstAnswer, _, weight) = _dealt.Batches[batch];
        for (var before = 0; left > 0; left -= rows, before += rows)
        {
            var count = Math.Min(rows, left);
            var answers = 0;
            foreach (var piece in _dealt.Pieces.AsSpan(first + before, count))
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

    private QueryBatch Epoch(Device device)
    {
        Tensor Numbers(long[] values) => tensor(values, device: device).DetachFromDisposeScope();
        Tensor Weights(float[] values) => tensor(values, device: device).DetachFromDisposeScope();
        return new QueryBatch(
            Numbers(_dealt.Heads), Numbers(_dealt.Relations), Weights(_dealt.Weights), Numbers(_dealt.Rows), Numbers(_dealt.Answers), Weights(_dealt.Counts), _queries.TotalWeight);
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
}
