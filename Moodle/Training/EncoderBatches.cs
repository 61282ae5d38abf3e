using Moodle.Encoders;
using Moodle.Graphs;
using Moodle.Runtime;

namespace Moodle.Training;

/// <summary>
/// Batches for training an encoder: some entities, a few random neighbours of each, and every training fact among them. Encoding is the
/// cost, so a batch uses all that its encoded entities can say about each other.
/// </summary>
internal sealed class EncoderBatches
{
    private const int NeighboursOfEach = 3;
    private readonly IEntityEncoder _encoder;
    private readonly TrainingQueries _queries;
    private readonly int[] _firstQuery;
    private readonly int[] _askers;
    private readonly int _batchSize;
    private readonly long _largestCost;

    /// <summary>Prepares batches.</summary>
    /// <param name="encoder">Tells which entities have the modality.</param>
    /// <param name="queries">Training queries, ordered by entity.</param>
    /// <param name="entityCount">|E|.</param>
    /// <param name="batchSize">Entities in a batch.</param>
    /// <param name="largestCost">What the entities of a batch may cost together, unless one entity and its neighbours cost more.</param>
    public EncoderBatches(IEntityEncoder encoder, TrainingQueries queries, int entityCount, int batchSize, long largestCost = long.MaxValue)
    {
        (_encoder, _queries, _batchSize, _largestCost) = (encoder, queries, batchSize, largestCost);
        _firstQuery = new int[entityCount + 1];
        foreach (var entity in queries.Entities)
        {
            _firstQuery[entity + 1]++;
        }

        for (var entity = 0; entity < entityCount; entity++)
        {
            _firstQuery[entity + 1] += _firstQuery[entity];
        }

        _askers = [.. Enumerable.Range(0, entityCount).Where(entity => encoder.Has(entity) && _firstQuery[entity] < _firstQuery[entity + 1])];
    }

    /// <summary>Entities that are seeds of an epoch: those with the modality and with facts.</summary>
    public int Seeds => _askers.Length;

    private int SeedsPerBatch => Math.Max(1, _batchSize / (1 + NeighboursOfEach));

    /// <summary>The batches of an epoch, the same for the same generator. Every entity that has the modality and facts is a seed once.</summary>
    public IEnumerable<EncoderBatch> Epoch(SplitMix64 random)
    {
        var order = _askers.ToArray();
        random.Shuffle<int>(order);
        var members = new SortedSet<int>();
        var (seeds, cost) = (0, 0L);
        foreach (var seed in order)
        {
            int[] joining = [seed, .. Neighbours(seed, random)];
            var added = joining.Distinct().Where(entity => !members.Contains(entity) && _encoder.Has(entity)).Sum(entity => (long)_encoder.Cost(entity));
            if (seeds == SeedsPerBatch || (seeds > 0 && cost + added > _largestCost))
            {
                yield return Facts(members);
                members.Clear();
                (seeds, cost) = (0, 0);
                added = joining.Distinct().Where(_encoder.Has).Sum(entity => (long)_encoder.Cost(entity));
            }

            members.UnionWith(joining);
            (seeds, cost) = (seeds + 1, cost + added);
        }

        if (seeds > 0)
        {
            yield return Facts(members);
        }
    }

    private IEnumerable<int> Neighbours(int seed, SplitMix64 random)
    {
        for (var i = 0; i < NeighboursOfEach; i++)
        {
            var query = _firstQuery[seed] + random.NextInt(_firstQuery[seed + 1] - _firstQuery[seed]);
            var answers = _queries.Answers(query);
            yield return answers[random.NextInt(answers.Length)];
        }
    }

    private EncoderBatch Facts(SortedSet<int> members)
    {
        var encoded = members.Where(_encoder.Has).ToArray();
        var lacking = members.Where(entity => !_encoder.Has(entity)).ToArray();
        var place = new Dictionary<int, int>(members.Count);
        foreach (var entity in encoded.Concat(lacking))
        {
            place.Add(entity, place.Count);
        }

        var (heads, relations, pairQueries, pairAnswers) = (new List<long>(), new List<long>(), new List<long>(), new List<long>());
        for (var i = 0; i < encoded.Length; i++)
        {
            for (var query = _firstQuery[encoded[i]]; query < _firstQuery[encoded[i] + 1]; query++)
            {
                var before = pairAnswers.Count;
                foreach (var answer in _queries.Answers(query))
                {
                    // An encoder is not asked whether an entity is its own answer.
                    if (answer != encoded[i] && place.TryGetValue(answer, out var at))
                    {
                        pairQueries.Add(heads.Count);
                        pairAnswers.Add(at);
                    }
                }

                if (pairAnswers.Count > before)
                {
                    heads.Add(i);
                    relations.Add(_queries.Relations[query]);
                }
            }
        }

        return new EncoderBatch(encoded, [.. lacking.Select(entity => (long)entity)], [.. heads], [.. relations], [.. pairQueries], [.. pairAnswers]);
    }
}
