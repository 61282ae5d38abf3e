using Moodle.Encoders;
using Moodle.Graphs;
using Moodle.Runtime;
using Moodle.Tests.Graphs;
using Moodle.Training;
using static TorchSharp.torch;

namespace Moodle.Tests.Training;

[TestClass]
public sealed class EncoderBatchesTests
{
    private const int Entities = 50;

    // Entity 49 has no fact.
    private static readonly TrainingQueries s_queries = TrainingQueries.Build(Entities, 3, RandomGraph.Triples(seed: 4, entities: Entities - 1, relations: 3, count: 150));

    [TestMethod]
    [DataRow(2)]
    [DataRow(24)]
    [DataRow(1000)]
    public void AnEpoch_HasEverySeedAndOnlyTrainingFacts(int batchSize)
    {
        var batches = new EncoderBatches(new EveryOther(), s_queries, Entities, batchSize);
        var facts = Enumerable.Range(0, s_queries.Count)
            .SelectMany(query => s_queries.Answers(query).ToArray().Select(answer => ((long)s_queries.Entities[query], (long)s_queries.Relations[query], (long)answer))).ToHashSet();
        var encoded = new HashSet<int>();
        foreach (var batch in batches.Epoch(new SplitMix64(1)))
        {
            Assert.IsTrue(batch.Encoded.All(entity => entity % 2 == 0) && batch.Lacking.All(entity => entity % 2 == 1));
            long[] members = [.. batch.Encoded.Select(entity => (long)entity), .. batch.Lacking];
            Assert.HasCount(members.Length, members.Distinct());
            Assert.AreEqual(batch.QueryHeads.Length, batch.QueryRelations.Length);
            Assert.AreEqual(batch.PairQueries.Length, batch.PairAnswers.Length);
            Assert.IsTrue(batch.QueryHeads.All(head => head >= 0 && head < batch.Encoded.Length));

            var pairs = batch.PairQueries.Zip(batch.PairAnswers, (query, answer) =>
                (members[batch.QueryHeads[query]], batch.QueryRelations[query], members[answer])).ToArray();
            Assert.HasCount(pairs.Length, pairs.Distinct());
            // All that its entities can say about each other, and nothing else; nobody is asked about itself.
            var within = facts.Where(fact => fact.Item1 != fact.Item3 && batch.Encoded.Contains((int)fact.Item1) && members.Contains(fact.Item3));
            CollectionAssert.AreEquivalent(within.ToArray(), pairs);
            CollectionAssert.AreEquivalent(Enumerable.Range(0, batch.QueryHeads.Length).ToArray(), batch.PairQueries.Distinct().Select(query => (int)query).ToArray(), "no query without an answer");
            encoded.UnionWith(batch.Encoded);
        }

        var seeds = Enumerable.Range(0, Entities).Where(entity => entity % 2 == 0 && facts.Any(fact => fact.Item1 == entity)).ToArray();
        Assert.AreEqual(seeds.Length, batches.Seeds);
        Assert.IsTrue(encoded.IsSupersetOf(seeds));
    }

    [TestMethod]
    public void Batches_AreOfBoundedSizeAndEverySeedComesOnce()
    {
        // Without neighbours among the encoded, what is encoded is the seeds.
        var facts = Enumerable.Range(0, 20).Select(i => new Triple(2 * i, 0, (2 * i) + 1));
        var queries = TrainingQueries.Build(Entities, 1, [.. facts]);
        var batches = new EncoderBatches(new EveryOther(), queries, Entities, batchSize: 12).Epoch(new SplitMix64(1)).ToArray();
        Assert.HasCount(7, batches);
        CollectionAssert.AreEqual(Enumerable.Range(0, 20).Select(i => 2 * i).ToArray(), batches.SelectMany(batch => batch.Encoded).Order().ToArray());
        Assert.IsTrue(batches.All(batch => batch.Encoded.Length + batch.Lacking.Length <= 12));
    }

    [TestMethod]
    public void Batches_EndAtTheLargestCost_AndLoseNoSeed()
    {
        // Entity e costs e + 1, and its only neighbour is not encoded.
        var facts = Enumerable.Range(0, 20).Select(i => new Triple(2 * i, 0, (2 * i) + 1));
        var batches = new EncoderBatches(new EveryOther(), TrainingQueries.Build(Entities, 1, [.. facts]), Entities, 1000, largestCost: 60).Epoch(new SplitMix64(1)).ToArray();
        Assert.IsTrue(batches.All(batch => batch.Encoded.Sum(entity => entity + 1) <= 60));
        CollectionAssert.AreEqual(Enumerable.Range(0, 20).Select(i => 2 * i).ToArray(), batches.SelectMany(batch => batch.Encoded).Order().ToArray());
        Assert.HasCount(20, new EncoderBatches(new EveryOther(), TrainingQueries.Build(Entities, 1, [.. facts]), Entities, 1000, largestCost: 1).Epoch(new SplitMix64(1)));
    }

    [TestMethod]
    public void TheSameGenerator_GivesTheSameBatches()
    {
        var batches = new EncoderBatches(new EveryOther(), s_queries, Entities, 24);
        static string Text(IEnumerable<EncoderBatch> epoch) => string.Join('\n', epoch.Select(batch =>
            string.Join(' ', batch.Encoded) + "|" + string.Join(' ', batch.Lacking) + "|" + string.Join(' ', batch.PairAnswers)));
        Assert.AreEqual(Text(batches.Epoch(new SplitMix64(1))), Text(batches.Epoch(new SplitMix64(1))));
        Assert.AreNotEqual(Text(batches.Epoch(new SplitMix64(1))), Text(batches.Epoch(new SplitMix64(2))));
    }

    /// <summary>Entities with an even number have the modality.</summary>
    private sealed class EveryOther : IEntityEncoder
    {
        public int FeatureSize => 1;

        public bool Has(int entity) => entity % 2 == 0;

        public int Cost(int entity) => entity + 1;

        public Tensor Encode(ReadOnlySpan<int> entities) => throw new NotSupportedException();
    }
}
