using Moodle.Graphs;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Evaluation;

/// <summary>
/// Ranks counted by tensor operations where the logits are, so that no logits leave a GPU: what comes to the host in the end are two
/// counts for each triple, side and branch. Gives the ranks that counting on the host gives.
/// </summary>
internal sealed class DeviceRanks : IDisposable
{
    private readonly RankingQueries _queries;
    private readonly KnownAnswers _known;
    private readonly List<int> _slots = [];
    private readonly List<(int Unknown, bool GoldIsKnown)> _filters = [];
    private readonly List<Tensor>[] _counts;

    /// <summary>Prepares the ranking of a list's queries.</summary>
    /// <param name="queries">Their queries.</param>
    /// <param name="known">The answers that are left out.</param>
    /// <param name="branches">The number of branches.</param>
    internal DeviceRanks(RankingQueries queries, KnownAnswers known, int branches)
    {
        (_queries, _known) = (queries, known);
        _counts = [.. Enumerable.Range(0, branches).Select(_ => new List<Tensor>())];
    }

    /// <summary>Finds what is to be counted of a batch of queries, and uploads it; the device may meanwhile compute their logits.</summary>
    /// <param name="start">The first query.</param>
    /// <param name="queries">How many.</param>
    /// <param name="device">Where the logits will be.</param>
    internal DevicePlaces Find(int start, int queries, Device device)
    {
        var entities = _queries.EntityCount;
        var (owners, golds, filtered) = (new List<long>(), new List<long>(), new List<long>());
        for (var row = 0L; row < queries; row++)
        {
            var query = start + (int)row;
            var known = _known[(int)_queries.Entities[query], (int)_queries.Relations[query]];
            foreach (var entity in known)
            {
                filtered.Add((row * entities) + entity);
            }

            foreach (var slot in _queries.SlotsOf(query))
            {
                var gold = _queries.GoldOf(slot);
                owners.Add(row);
                golds.Add((row * entities) + gold);
                _slots.Add(slot);
                _filters.Add((entities - known.Length, known.BinarySearch(gold) >= 0));
            }
        }

        Tensor Numbers(List<long> values) => tensor(values.ToArray()).Upload(device);
        return new(Numbers(golds), Numbers(owners), Numbers(filtered));
    }

    /// <summary>Counts a batch of queries; the host need not wait for the device.</summary>
    /// <param name="places">What <see cref="Find"/> returned for them.</param>
    /// <param name="logits">For each branch float32 [queries, |E|], contiguous; what is filtered is overwritten.</param>
    internal void Add(DevicePlaces places, IReadOnlyList<Tensor> logits)
    {
        using var scope = NewDisposeScope();
        var (queries, slots) = (logits[0].shape[0], places.Owners.shape[0]);
        // All gold scores before anything is hidden: branches may share a tensor.
        var scores = logits.Select(branch => branch.reshape(-1).index_select(0, places.Golds).unsqueeze(1)).ToArray(); // [slots, 1] each
        for (var branch = 0; branch < logits.Count; branch++)
        {
            // What is filtered becomes NaN, which no comparison counts.
            logits[branch].view(-1).index_fill_(0, places.Filtered, float.NaN);
            // A popular query has many slots, each of which takes a copy of its row: not more at once than the logits themselves.
            for (var first = 0L; first < slots; first += queries)
            {
                var count = Math.Min(queries, slots - first);
                var own = logits[branch].index_select(0, places.Owners.narrow(0, first, count)); // [count, |E|]
                _counts[branch].Add(Count(own, scores[branch].narrow(0, first, count)).DetachFromDisposeScope());
            }
        }
    }

    /// <summary>Waits for the device and puts all ranks in their places.</summary>
    /// <param name="ranks">For each branch [2 · triples].</param>
    /// <param name="notNumbers">For each branch how many gold scores are NaN, to which they are added.</param>
    internal void Fill(Rank[][] ranks, int[] notNumbers)
    {
        for (var branch = 0; branch < ranks.Length; branch++)
        {
            if (_counts[branch].Count == 0)
            {
                continue;
            }

            using var scope = NewDisposeScope();
            var counts = cat(_counts[branch], 0).cpu().data<long>().ToArray(); // [slots, 3]
            for (var i = 0; i < _slots.Count; i++)
            {
                var ((unknown, goldIsKnown), isNaN) = (_filters[i], counts[(3 * i) + 2] != 0);
                ranks[branch][_slots[i]] = Rank.Of((int)counts[3 * i], (int)counts[(3 * i) + 1], isNaN, unknown, goldIsKnown);
                notNumbers[branch] += isNaN ? 1 : 0;
            }
        }
    }

    // Scores below the gold score's tie band, those not above it, and whether the gold score is NaN: int64 [slots, 3].
    private static Tensor Count(Tensor scores, Tensor gold)
    {
        var (lower, upper) = TieBand.Around(gold);
        return stack([scores.lt(lower).sum(1), scores.le(upper).sum(1), gold.isnan().squeeze(1).to(ScalarType.Int64)], 1);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in _counts.SelectMany(branch => branch))
        {
            tensor.Dispose();
        }
    }
}

/// <summary>Where a batch's logits are looked at, as places in the flat [queries * |E|].</summary>
/// <param name="Golds">int64 [slots]: the gold answers.</param>
/// <param name="Owners">int64 [slots]: the row of each.</param>
/// <param name="Filtered">int64: the known answers of all rows.</param>
internal sealed record DevicePlaces(Tensor Golds, Tensor Owners, Tensor Filtered);
