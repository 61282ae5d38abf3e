using Moodle.Graphs;
using Moodle.Models.Paths;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>
/// What frozen paths answer to held-out queries, which are asked again in every epoch. The held-out triples themselves are hidden, some at a time, as a batch of training hides
/// its own; all others are seen, as in ranking. Answers are computed once and kept, in half precision, where memory is reckoned to suffice, since one takes as long as a
/// whole step of the branches.
/// </summary>
internal sealed class PathAnswers : IDisposable
{
    // 2 GiB.
    private const long MostKept = 1L << 30;
    private const int AtOnce = 128;
    private readonly PathScorer _paths;
    private readonly PathGraph _graph;
    private readonly TrainingQueries _queries;
    private readonly Tensor? _kept;

    /// <summary>Asks all queries where the answers are kept.</summary>
    /// <param name="paths">The network.</param>
    /// <param name="graph">All that is known.</param>
    /// <param name="queries">The queries, with what is hidden of each.</param>
    public PathAnswers(PathNetwork paths, PathGraph graph, TrainingQueries queries)
    {
        (_paths, _graph, _queries) = (new PathScorer(paths, graph), graph, queries);
        if ((long)queries.Count * graph.EntityCount > MostKept)
        {
            return;
        }

        using var none = no_grad();
        _kept = empty(queries.Count, graph.EntityCount, ScalarType.Float16, graph.Device).DetachFromDisposeScope();
        int[] all = [.. Enumerable.Range(0, queries.Count)];
        for (var first = 0; first < all.Length; first += AtOnce)
        {
            using var scope = NewDisposeScope();
            var some = all.AsSpan(first, Math.Min(AtOnce, all.Length - first));
            _kept.narrow(0, first, some.Length).copy_(Ask(some));
        }
    }

    /// <summary>Logits of some of the queries.</summary>
    /// <param name="queries">Which ones.</param>
    /// <returns>float32 [queries, |E|].</returns>
    public Tensor Of(ReadOnlySpan<int> queries)
    {
        using var scope = NewDisposeScope();
        if (_kept is not null)
        {
            return _kept.index_select(0, tensor(queries.ToArray()).Upload(_graph.Device)).to(ScalarType.Float32).MoveToOuterDisposeScope();
        }

        var parts = new List<Tensor>();
        for (var first = 0; first < queries.Length; first += AtOnce)
        {
            parts.Add(Ask(queries.Slice(first, Math.Min(AtOnce, queries.Length - first))));
        }

        return cat([.. parts], 0).MoveToOuterDisposeScope();
    }

    private Tensor Ask(ReadOnlySpan<int> queries)
    {
        using var scope = NewDisposeScope();
        var (heads, relations, facts) = (new long[queries.Length], new long[queries.Length], new List<(long Head, long Relation, long Answer)>());
        for (var i = 0; i < queries.Length; i++)
        {
            (heads[i], relations[i]) = (_queries.Entities[queries[i]], _queries.Relations[queries[i]]);
            foreach (var answer in _queries.Answers(queries[i]))
            {
                facts.Add((heads[i], relations[i], answer));
            }
        }

        Tensor Ids(IEnumerable<long> ids) => tensor(ids.ToArray()).Upload(_graph.Device);
        var hidden = _graph.Hide(Ids(facts.Select(fact => fact.Head)), Ids(facts.Select(fact => fact.Relation)), Ids(facts.Select(fact => fact.Answer)));
        return _paths.Answer(Ids(heads), Ids(relations), hidden).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose() => _kept?.Dispose();
}
