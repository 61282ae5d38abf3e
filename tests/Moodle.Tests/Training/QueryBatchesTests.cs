using Moodle.Graphs;
using Moodle.Models;
using Moodle.Runtime;
using Moodle.Tests.Graphs;
using Moodle.Tests.Support;
using Moodle.Training;
using static TorchSharp.torch;

namespace Moodle.Tests.Training;

[TestClass]
public sealed class QueryBatchesTests
{
    // Few entities and many triples: repetitions, and queries with more answers than a piece holds.
    private static readonly TrainingQueries s_queries = TrainingQueries.Build(80, 2, RandomGraph.Triples(seed: 3, entities: 80, relations: 2, count: 4000)
        .AddRange(Enumerable.Range(0, 79).Select(tail => new Triple(79, 0, tail))));

    [NoTensorLeak]
    [DataRow(1)]
    [DataRow(50)]
    [DataRow(100_000)]
    public void AnEpoch_DealsEveryAnswerOnce(int batchSize)
    {
        var expected = Enumerable.Range(0, s_queries.Count)
            .SelectMany(query => Enumerable.Range(s_queries.Offsets[query], s_queries.Offsets[query + 1] - s_queries.Offsets[query])
                .Select(at => (s_queries.Entities[query], s_queries.Relations[query], s_queries.AllAnswers[at], (float)s_queries.AllMultiplicities[at])))
            .Order().ToArray();
        using var batches = new QueryBatches(s_queries, batchSize, 32);
        for (var epoch = 0; epoch < 2; epoch++)
        {
            batches.Shuffle(SplitMix64.ForStream(1, (ulong)epoch));
            var dealt = Enumerable.Range(0, batches.Count).SelectMany(batch => Answers(batches, batch)).ToArray();
            CollectionAssert.AreEqual(expected, dealt.Order().ToArray());
            CollectionAssert.AreNotEqual(expected, dealt, "shuffled");
        }

        Assert.AreEqual(2 * 4079, batches.Triples, "both directions");
    }

    [NoTensorLeak]
    public void ABatch_ReachesItsSizeAndOneCutQueryAtMostOverflowsIt()
    {
        using var batches = new QueryBatches(s_queries, 100, 32);
        batches.Shuffle(new SplitMix64(5));
        for (var batch = 0; batch < batches.Count; batch++)
        {
            using var scope = NewDisposeScope();
            var one = batches.Get(batch, CPU);
            Assert.AreEqual(one.TotalWeight, one.Weights.sum().item<float>());
            Assert.AreEqual(one.TotalWeight, one.AnswerWeights.sum().item<float>());
            Assert.IsTrue(batch == batches.Count - 1 || one.TotalWeight >= 100);
            Assert.IsLessThan(100 + (32 * 20), one.TotalWeight);
            CollectionAssert.AreEqual(
                batches.QueriesOf(batch).Select(query => (long)s_queries.Entities[query]).ToArray(), one.Heads.data<long>().ToArray());
        }
    }

    [NoTensorLeak]
    [DataRow(1)]
    [DataRow(7)]
    [DataRow(1000)]
    public void Parts_AreTheBatchRowByRow(int rows)
    {
        using var scope = NewDisposeScope();
        using var batches = new QueryBatches(s_queries, 100, 32);
        batches.Shuffle(new SplitMix64(5));
        for (var batch = 0; batch < batches.Count; batch++)
        {
            var (whole, parts) = (batches.Get(batch, CPU), batches.Parts(batch, rows, CPU).ToArray());
            Assert.HasCount((int)((whole.Count + rows - 1) / rows), parts);
            CollectionAssert.AreEqual(Answers(whole), parts.SelectMany(part => Answers(part)).ToArray());
            CollectionAssert.AreEqual(whole.Weights.data<float>().ToArray(), parts.SelectMany(part => part.Weights.data<float>().ToArray()).ToArray());
            Assert.IsTrue(parts.All(part => part.TotalWeight == whole.TotalWeight && part.Count <= rows));
            CollectionAssert.AreEqual(
                Answers(whole).SelectMany(answer => new[] { answer.Head, answer.Answer }).Distinct().Order().ToArray(), batches.EntitiesOf(batch).Distinct().Order().ToArray());
            CollectionAssert.AreEqual(batches.QueriesOf(batch).Select(query => (long)query).ToArray(), batches.QueriesOf(batch, CPU).data<long>().ToArray());
        }
    }

    [NoTensorLeak]
    public void TheSameGenerator_DealsTheSameEpochWhateverCameBefore()
    {
        using var fresh = new QueryBatches(s_queries, 100, 32);
        using var used = new QueryBatches(s_queries, 100, 32);
        used.Shuffle(new SplitMix64(1));
        used.Shuffle(new SplitMix64(2));
        var before = Answers(used, 0);
        var dealt = used.Deal(new SplitMix64(7));
        CollectionAssert.AreEqual(before, Answers(used, 0), "an epoch goes on while the next is dealt");
        used.Begin(dealt);
        fresh.Shuffle(new SplitMix64(7));
        Assert.AreEqual(fresh.Count, used.Count);
        for (var batch = 0; batch < fresh.Count; batch++)
        {
            CollectionAssert.AreEqual(Answers(fresh, batch), Answers(used, batch));
        }
    }

    private static (int Head, int Relation, int Answer, float Count)[] Answers(QueryBatches batches, int batch)
    {
        using var scope = NewDisposeScope();
        return Answers(batches.Get(batch, CPU));
    }

    private static (int Head, int Relation, int Answer, float Count)[] Answers(QueryBatch one)
    {
        var (heads, relations, rows) = (one.Heads.data<long>().ToArray(), one.Relations.data<long>().ToArray(), one.AnswerRows.data<long>().ToArray());
        var (answers, counts) = (one.Answers.data<long>().ToArray(), one.AnswerWeights.data<float>().ToArray());
        return [.. rows.Select((row, i) => ((int)heads[row], (int)relations[row], (int)answers[i], counts[i]))];
    }
}
