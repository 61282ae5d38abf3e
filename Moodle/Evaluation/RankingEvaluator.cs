using System.Buffers;
using System.Collections.Immutable;
using System.Diagnostics;
using Moodle.Graphs;
using Moodle.Models;
using Moodle.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Evaluation;

/// <summary>
/// Filtered ranking against all entities, both sides, on logits, by every branch of a scorer. Entities that training never saw are
/// candidates and gold answers like all others; a triple that stands twice in the list counts twice.
/// Candidates whose score differs from the gold score by at most 1e-5 plus 1e-4 of its magnitude are ties, as in LibKGE.
/// NaN never flatters: a gold entity whose score is NaN is ranked last, and a candidate whose score is NaN counts as better than
/// the gold entity under every tie rule.
/// </summary>
public sealed class RankingEvaluator
{
    // Logits of one batch, all branches; a fusion needs some five times as much while it works. Larger batches are no faster on the CPU.
    private const long MostLogitBytes = 1L << 25;
    private const long MostLogitBytesOfGpu = 1L << 29;

    private readonly ILinkScorer _scorer;
    private readonly bool _onDevice;
    private readonly KnownAnswers _known;
    private readonly int _batchSize;

    /// <summary>Creates an evaluator.</summary>
    /// <param name="scorer">The model.</param>
    /// <param name="known">
    /// The answers that are left out of the candidates (but for the gold one): train and validation for the validation split, all
    /// three splits for the test split.
    /// </param>
    /// <param name="batchSize">Distinct queries that are scored together; fewer where their logits would take more than 32 MiB, on a GPU 512 MiB.</param>
    public RankingEvaluator(ILinkScorer scorer, KnownAnswers known, int batchSize = 512)
        : this(scorer, known, batchSize, scorer.Device.type == DeviceType.CUDA)
    {
    }

    /// <summary>As the public one; whether ranks are counted where the logits are is told, which tests need.</summary>
    internal RankingEvaluator(ILinkScorer scorer, KnownAnswers known, int batchSize, bool onDevice)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        (_scorer, _known, _onDevice) = (scorer, known, onDevice);
        var perQuery = sizeof(float) * (long)scorer.EntityCount * Math.Max(1, scorer.Branches.Count);
        _batchSize = (int)Math.Clamp((onDevice ? MostLogitBytesOfGpu : MostLogitBytes) / Math.Max(1, perQuery), 1, batchSize);
    }

    /// <summary>A seeded sample without replacement, in the order of the list; the list itself where it is not longer.</summary>
    /// <param name="triples">Triples.</param>
    /// <param name="count">How many to keep.</param>
    /// <param name="seed">The same seed keeps the same triples.</param>
    public static ImmutableArray<Triple> Sample(ImmutableArray<Triple> triples, int count, int seed)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (count >= triples.Length)
        {
            return triples;
        }

        var order = Enumerable.Range(0, triples.Length).ToArray();
        new SplitMix64((ulong)seed).Shuffle(order);
        return [.. order.Take(count).Order().Select(i => triples[i])];
    }

    /// <summary>Ranks both ends of every triple.</summary>
    /// <param name="triples">The triples, such as a split or a <see cref="Sample"/> of it.</param>
    /// <param name="progress">Told after each batch how many distinct queries are done, and of how many.</param>
    /// <param name="cancellation">Looked at between batches.</param>
    /// <exception cref="ArgumentException">A triple has an id that the scorer does not know.</exception>
    /// <exception cref="InvalidOperationException">The scorer gave logits of another shape than [queries, |E|].</exception>
    public SplitRanks Rank(ImmutableArray<Triple> triples, Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        var watch = Stopwatch.StartNew();
        var scoring = new Stopwatch();
        var queries = new RankingQueries(triples, _scorer.EntityCount, _scorer.RelationCount);
        var ranks = _scorer.Branches.Select(_ => new Rank[2 * triples.Length]).ToArray();
        var notNumbers = new int[ranks.Length];
        using var counted = _onDevice ? new DeviceRanks(queries, _known, ranks.Length) : null;
        using var exact = MatrixPrecision.Full();
        for (var start = 0; start < queries.Count; start += _batchSize)
        {
            cancellation.ThrowIfCancellationRequested();
            var rows = Math.Min(_batchSize, queries.Count - start);
            using var scope = NewDisposeScope();
            scoring.Start();
            var logits = Score(queries, start, rows);
            var places = counted?.Find(start, rows, _scorer.Device);
            if (_scorer.Device.type == DeviceType.CUDA)
            {
                // So that the time of scoring is told apart; at a few dozen batches it costs nothing.
                cuda.synchronize();
            }

            scoring.Stop();
            if (places is not null)
            {
                counted!.Add(places, logits);
            }
            else
            {
                RankRows(queries, start, rows, logits, ranks, notNumbers);
            }

            progress?.Invoke(start + rows, queries.Count);
        }

        counted?.Fill(ranks, notNumbers);

        return new SplitRanks(triples, [.. _scorer.Branches], ranks)
        {
            NotNumbers = [.. notNumbers],
            Queries = queries.Count,
            Elapsed = watch.Elapsed,
            ScoringElapsed = scoring.Elapsed,
        };
    }

    /// <summary>One contiguous float32 tensor [rows, |E|] for each branch, where ranks are counted, owned by the current scope.</summary>
    private Tensor[] Score(RankingQueries queries, int start, int rows)
    {
        using var noGrad = no_grad();
        var entities = tensor(queries.Entities.AsSpan(start, rows).ToArray()).Upload(_scorer.Device);
        var relations = tensor(queries.Relations.AsSpan(start, rows).ToArray()).Upload(_scorer.Device);
        var logits = _scorer.Score(entities, relations);
        return [.. logits.Select((branch, b) => branch.shape is [var q, var e] && q == rows && e == _scorer.EntityCount
            ? branch.detach().to(ScalarType.Float32, _onDevice ? _scorer.Device : CPU).contiguous()
            : throw new InvalidOperationException(
                $"branch '{_scorer.Branches[b]}' gave logits [{string.Join(", ", branch.shape)}] for {rows} queries over {_scorer.EntityCount} entities"))];
    }

    private unsafe void RankRows(RankingQueries queries, int start, int rows, Tensor[] logits, Rank[][] ranks, int[] notNumbers)
    {
        // The tensors own this memory; the caller's scope keeps them past the loop.
        var addresses = Array.ConvertAll(logits, branch => branch.Address());
        var entityCount = _scorer.EntityCount;
        Parallel.For(0, rows, row =>
        {
            var query = start + row;
            var slots = queries.SlotsOf(query);
            var known = _known[(int)queries.Entities[query], (int)queries.Relations[query]];
            var buffer = ArrayPool<float>.Shared.Rent(known.Length);
            for (var branch = 0; branch < addresses.Length; branch++)
            {
                var scores = new ReadOnlySpan<float>((float*)addresses[branch] + (long)row * entityCount, entityCount);
                for (var k = 0; k < known.Length; k++)
                {
                    buffer[k] = scores[known[k]];
                }

                foreach (var slot in slots)
                {
                    var gold = queries.GoldOf(slot);
                    ranks[branch][slot] = RankOf(scores, known, buffer.AsSpan(0, known.Length), gold);
                    if (float.IsNaN(scores[gold]))
                    {
                        Interlocked.Increment(ref notNumbers[branch]);
                    }
                }
            }

            ArrayPool<float>.Shared.Return(buffer);
        });
    }

    /// <summary>The rank of one gold entity: counts over all scores, less the same counts over the filtered ones.</summary>
    private static Rank RankOf(ReadOnlySpan<float> scores, ReadOnlySpan<int> known, ReadOnlySpan<float> knownScores, int gold)
    {
        var band = TieBand.Around(scores[gold]);
        var (below, notAbove) = band.Count(scores);
        var (knownBelow, knownNotAbove) = band.Count(knownScores);
        return Evaluation.Rank.Of(below - knownBelow, notAbove - knownNotAbove, float.IsNaN(scores[gold]), scores.Length - known.Length, known.BinarySearch(gold) >= 0);
    }
}
