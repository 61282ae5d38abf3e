using System.Collections.Immutable;
using Moodle.Graphs;
using static TorchSharp.torch;

namespace Moodle.Evaluation;

/// <summary>
/// Ranks counted by tensor operations where the logits are, so that no logits leave a GPU: what comes to the host in the end are two
/// counts for each triple, side and branch. Gives the ranks that counting on the host gives.
/// </summary>
internal sealed class DeviceRanks : IDisposable
{
    private readonly ImmutableArray<Triple> _triples;
    private readonly RankingQueries _queries;
    private readonly KnownAnswers _known;
    private readonly List<int> _slots = [];
    private readonly List<(int Unknown, bool GoldIsKnown)> _filters = [];
    private readonly List<Tensor>[] _counts;

    /// <summary>Prepares the ranking of a list of triples.</summary>
    /// <param name="triples">The triples.</param>
    /// <param name="queries">Their queries.</param>
    /// <param name="known">The answers that are left out.</param>
    /// <param name="branches">The number of branches.</param>
    internal DeviceRanks(ImmutableArray<Triple> triples, RankingQueries queries, KnownAnswers known, int branches)
    {
        (_triples, _queries, _known) = (triples, queries, known);
        _counts = [.. Enumerable.Range(0, branches).Select(_ => new List<Tensor>())];
    }

    /// <summary>Counts a batch of queries; the host need not wait for the device.</summary>
    /// <param name="start">The first query.</param>
    /// <param name="logits">For each branch float32 [queries, |E|].</param>
    internal void Add(int start, IReadOnlyList<Tensor> logits)
    {
        var (queries, entities, device) = ((int)logits[0].shape[0], logits[0].shape[1], logits[0].device);
        var slots = Enumerable.Range(0, queries).SelectMany(row => _queries.SlotsOf(start + row).ToArray().Select(slot => (Row: row, Slot: slot)));
        // A popular query has many slots, each of which takes a copy of its row: not more at once than the logits themselves.
        foreach (var some in slots.Chunk(queries))
        {
            var (slotsOfFiltered, placesOfFiltered) = (new List<long>(), new List<long>());
            for (var i = 0; i < some.Length; i++)
            {
                var (row, slot) = some[i];
                var known = _known[(int)_queries.Entities[start + row], (int)_queries.Relations[start + row]];
                _slots.Add(slot);
                _filters.Add(((int)entities - known.Length, known.BinarySearch(GoldOf(slot)) >= 0));
                foreach (var entity in known)
                {
                    slotsOfFiltered.Add(i);
                    placesOfFiltered.Add((i * entities) + entity);
                }
            }

            using var scope = NewDisposeScope();
            var rows = tensor(Array.ConvertAll(some, each => (long)each.Row), device: device); // [slots]
            var golds = tensor(Array.ConvertAll(some, each => (long)GoldOf(each.Slot)), device: device).unsqueeze(1); // [slots, 1]
            var (filteredSlots, filtered) = (tensor(slotsOfFiltered.ToArray(), device: device), tensor(placesOfFiltered.ToArray(), device: device)); // [filtered]
            for (var branch = 0; branch < logits.Count; branch++)
            {
                _counts[branch].Add(Count(logits[branch].index_select(0, rows), golds, filteredSlots, filtered).DetachFromDisposeScope());
            }
        }
    }

    /// <summary>Waits for the device and puts all ranks in their places.</summary>
    /// <param name="ranks">For each branch [2 · triples].</param>
    internal void Fill(Rank[][] ranks)
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
                var (unknown, goldIsKnown) = _filters[i];
                ranks[branch][_slots[i]] = Rank.Of((int)counts[3 * i], (int)counts[(3 * i) + 1], counts[(3 * i) + 2] != 0, unknown, goldIsKnown);
            }
        }
    }

    private int GoldOf(int slot) => slot % 2 == (int)QuerySide.Tail ? _triples[slot / 2].Tail : _triples[slot / 2].Head;

    // Unfiltered scores below the gold score's tie band, those not above it, and whether the gold score is NaN: int64 [slots, 3].
    private static Tensor Count(Tensor scores, Tensor golds, Tensor slotsOfFiltered, Tensor placesOfFiltered)
    {
        var gold = scores.gather(1, golds); // [slots, 1]
        var (lower, upper) = TieBand.Around(gold);
        var filtered = scores.view(-1).index_select(0, placesOfFiltered).unsqueeze(1); // [filtered, 1]
        Tensor Ends(Tensor band) => band.index_select(0, slotsOfFiltered);
        Tensor OfSlots(Tensor which) => zeros(scores.shape[0], dtype: ScalarType.Int64, device: scores.device).index_add(0, slotsOfFiltered, which.squeeze(1).to(ScalarType.Int64), 1);
        return stack(
            [scores.lt(lower).sum(1) - OfSlots(filtered.lt(Ends(lower))), scores.le(upper).sum(1) - OfSlots(filtered.le(Ends(upper))), gold.isnan().squeeze(1).to(ScalarType.Int64)], 1);
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
