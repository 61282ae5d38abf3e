using System.Collections.Immutable;
using Moodle.Graphs;
using Moodle.Models;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Evaluation;

/// <summary>Answers queries with the entities that a model finds likeliest.</summary>
public sealed class Predictor
{
    private const int MostQueries = 256;
    // Logits and parts of one batch: keeps 5 M entities within memory.
    private const long MostBytes = 1L << 29;

    private readonly ILinkScorer _scorer;
    private readonly KnowledgeGraph _graph;
    private readonly NameResolver _entities;
    private readonly NameResolver _relations;

    /// <summary>Creates a predictor.</summary>
    /// <param name="scorer">The model.</param>
    /// <param name="graph">The graph that it was trained on.</param>
    public Predictor(ILinkScorer scorer, KnowledgeGraph graph)
    {
        _scorer = scorer;
        _graph = graph;
        _entities = new("entity", graph.Entities, graph.EntityNames);
        _relations = new("relation", graph.Relations, graph.RelationNames);
    }

    /// <summary>A query from what a user wrote: a relation and one of head and tail, by label or name; the other one null, empty or <c>?</c>.</summary>
    /// <exception cref="InputException">Both or neither are given, the relation is missing, or a name is unknown or ambiguous.</exception>
    public PredictionQuery Parse(string? head, string? relation, string? tail)
    {
        static bool Given(string? text) => text?.Trim() is not (null or "" or "?");
        if (!Given(relation))
        {
            throw new InputException("a query needs a relation; give its id or its name");
        }

        return (Given(head), Given(tail)) switch
        {
            (true, false) => new(_entities.Resolve(head!), _relations.Resolve(relation!), QuerySide.Tail),
            (false, true) => new(_entities.Resolve(tail!), _relations.Resolve(relation!), QuerySide.Head),
            (true, true) => throw new InputException("a query has a head or a tail, not both; leave out the one that is asked for"),
            _ => throw new InputException("a query needs a head or a tail; give the id or the name of one"),
        };
    }

    /// <summary>Answers queries, in order.</summary>
    /// <param name="queries">The queries.</param>
    /// <param name="top">How many answers each gets, at least 1; fewer where there are fewer entities.</param>
    /// <param name="onlyNew">Leave out answers that are known.</param>
    /// <param name="progress">Told after each batch how many queries are done, and of how many.</param>
    /// <param name="cancellation">Looked at between batches.</param>
    public ImmutableArray<PredictionResult> Predict(
        IReadOnlyList<PredictionQuery> queries, int top = 10, bool onlyNew = false, Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(top, 1);
        var known = KnownOf(queries);
        var results = new PredictionResult[queries.Count];
        var rowBytes = sizeof(float) * (long)_scorer.EntityCount * (_scorer.Branches.Count + 4);
        var batch = (int)Math.Clamp(MostBytes / Math.Max(1, rowBytes), 1, MostQueries);
        for (var start = 0; start < queries.Count; start += batch)
        {
            cancellation.ThrowIfCancellationRequested();
            var rows = Math.Min(batch, queries.Count - start);
            PredictBatch(queries, start, rows, known, top, onlyNew, results);
            progress?.Invoke(start + rows, queries.Count);
        }

        return [.. results];
    }

    /// <summary>For every query its known answers and the first split that holds them: one walk over the triples, whatever the number of queries.</summary>
    private Dictionary<PredictionQuery, Dictionary<int, Split>> KnownOf(IReadOnlyList<PredictionQuery> queries)
    {
        var known = queries.Distinct().ToDictionary(query => query, _ => new Dictionary<int, Split>());
        foreach (var split in (ReadOnlySpan<Split>)[Split.Train, Split.Validation, Split.Test])
        {
            foreach (var (head, relation, tail) in _graph.TriplesOf(split))
            {
                if (known.TryGetValue(new(head, relation, QuerySide.Tail), out var tails))
                {
                    tails.TryAdd(tail, split);
                }

                if (known.TryGetValue(new(tail, relation, QuerySide.Head), out var heads))
                {
                    heads.TryAdd(head, split);
                }
            }
        }

        return known;
    }

    private unsafe void PredictBatch(
        IReadOnlyList<PredictionQuery> queries, int start, int rows, Dictionary<PredictionQuery, Dictionary<int, Split>> known, int top, bool onlyNew, PredictionResult[] results)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var asked = Enumerable.Range(start, rows).Select(q => queries[q]).ToArray();
        var entities = tensor(Array.ConvertAll(asked, q => (long)q.Entity), ScalarType.Int64, _scorer.Device);
        var relations = tensor(
            Array.ConvertAll(asked, q => (long)q.Relation + (q.Asked == QuerySide.Tail ? 0 : _scorer.RelationCount)), ScalarType.Int64, _scorer.Device);
        var logits = OnCpu(_scorer.Score(entities, relations)[0], rows);
        var parts = _scorer.Explain(entities, relations).Select(part => (part.Part, Scores: OnCpu(part.Scores, rows))).ToArray();
        var addresses = Array.ConvertAll(parts, part => part.Scores.Address());
        var first = logits.Address();
        Parallel.For(0, rows, row =>
        {
            ReadOnlySpan<float> Row(nint address) => new((float*)address + (long)row * _scorer.EntityCount, _scorer.EntityCount);
            var scores = Row(first);
            var means = Array.ConvertAll(addresses, address => Mean(Row(address)));
            var (max, sum) = Softmax(scores);
            var knownHere = known[asked[row]];
            var answers = Best(scores, top, onlyNew ? knownHere : null).Select((entity, place) => new Prediction(
                place + 1, _graph.Entities[entity], _graph.EntityNames[entity], Row(first)[entity],
                Math.Exp(Row(first)[entity] - max) / sum,
                Shares(parts.Select((part, p) => (part.Part, Row(addresses[p])[entity] - means[p]))),
                knownHere.TryGetValue(entity, out var split) ? split : null));
            var (given, relation, side) = asked[row];
            results[start + row] = new(side, _graph.Entities[given], _graph.EntityNames[given], _graph.Relations[relation], _graph.RelationNames[relation], [.. answers]);
        });
    }

    private Tensor OnCpu(Tensor scores, int rows) => scores.shape is [var q, var e] && q == rows && e == _scorer.EntityCount
        ? scores.detach().to(ScalarType.Float32, CPU).contiguous()
        : throw new InvalidOperationException($"the scorer gave [{string.Join(", ", scores.shape)}] for {rows} queries over {_scorer.EntityCount} entities");

    /// <summary>The best entities, equal scores by id; one whose score is NaN is no answer.</summary>
    private static IEnumerable<int> Best(ReadOnlySpan<float> scores, int top, Dictionary<int, Split>? leftOut)
    {
        // The worst of the best stands first, so that it can be thrown out.
        var best = new PriorityQueue<int, (float Score, int MinusId)>();
        var worst = float.NegativeInfinity;
        for (var entity = 0; entity < scores.Length; entity++)
        {
            var full = best.Count == top;
            if (float.IsNaN(scores[entity]) || (full && scores[entity] <= worst) || leftOut?.ContainsKey(entity) == true)
            {
                continue;
            }

            if (full)
            {
                best.Dequeue();
            }

            best.Enqueue(entity, (scores[entity], -entity));
            best.TryPeek(out _, out var lowest);
            worst = lowest.Score;
        }

        return best.UnorderedItems.OrderByDescending(item => item.Priority).Select(item => item.Element);
    }

    /// <summary>The largest score, and the sum of the exponentials of all scores less it.</summary>
    private static (double Max, double Sum) Softmax(ReadOnlySpan<float> scores)
    {
        var max = double.NegativeInfinity;
        foreach (var score in scores)
        {
            max = score > max ? score : max;
        }

        var sum = 0.0;
        foreach (var score in scores)
        {
            sum += float.IsNaN(score) ? 0 : Math.Exp(score - max);
        }

        return (max, sum);
    }

    private static double Mean(ReadOnlySpan<float> scores)
    {
        var sum = 0.0;
        foreach (var score in scores)
        {
            sum += score;
        }

        return sum / scores.Length;
    }

    /// <summary>Magnitudes as shares; all the same where there are none to tell apart.</summary>
    private static ImmutableArray<PartShare> Shares(IEnumerable<(string Part, double Centred)> parts)
    {
        var all = parts.ToArray();
        var sum = all.Sum(part => Math.Abs(part.Centred));
        return [.. all.Select(part => new PartShare(part.Part, sum > 0 ? Math.Abs(part.Centred) / sum : 1.0 / all.Length, part.Centred))];
    }
}
