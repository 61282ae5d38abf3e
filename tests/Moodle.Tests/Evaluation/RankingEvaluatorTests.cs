using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Moodle.Evaluation;
using Moodle.Graphs;
using Moodle.Tests.Support;

namespace Moodle.Tests.Evaluation;

[TestClass]
public sealed class RankingEvaluatorTests
{
    private static readonly string[] TwoBranches = ["fusion", "structure"];
    private static readonly QuerySide[] Sides = [QuerySide.Tail, QuerySide.Head];

    [NoTensorLeak]
    [DataRow(1, "normal", false)]
    [DataRow(2, "quantised", false)]
    [DataRow(3, "near ties", false)]
    [DataRow(4, "large", false)]
    [DataRow(5, "NaN and infinity", false)]
    [DataRow(1, "normal", true)]
    [DataRow(2, "quantised", true)]
    [DataRow(3, "near ties", true)]
    [DataRow(4, "large", true)]
    [DataRow(5, "NaN and infinity", true)]
    public void Ranks_EqualBruteForce(int seed, string kind, bool countedByTensors)
    {
        var graph = EvaluationData.Random(seed);
        var scorer = RandomScorer(graph, seed, kind);
        foreach (var split in Enum.GetValues<Split>())
        {
            var filter = BruteForce.Filter(graph, split);
            var ranks = new RankingEvaluator(scorer, SplitEvaluation.KnownFor(graph, split), batchSize: 7, countedByTensors).Rank(graph.TriplesOf(split));
            ForAll(ranks, (branch, triple, side) =>
                Assert.AreEqual(BruteForce.Rank(scorer, branch, ranks.Triples[triple], side, filter), ranks[branch, triple, side], $"{split} {branch} {triple} {side}"));
            var notNumbers = new int[scorer.Branches.Count];
            ForAll(ranks, (branch, triple, side) =>
            {
                var (head, relation, tail) = ranks.Triples[triple];
                var gold = side == QuerySide.Tail ? scorer.Of(branch, head, relation, tail) : scorer.Of(branch, tail, relation + scorer.RelationCount, head);
                notNumbers[branch] += float.IsNaN(gold) ? 1 : 0;
            });
            CollectionAssert.AreEqual(notNumbers, ranks.NotNumbers.ToArray());
        }
    }

    [NoTensorLeak]
    [DataRow(false, false)]
    [DataRow(true, false)]
    [DataRow(false, true)]
    [DataRow(true, true)]
    public void Ranks_EqualBruteForce_WhereTheFilterDoesNotHoldTheGoldEntity(bool empty, bool countedByTensors)
    {
        var graph = EvaluationData.Random(6);
        var scorer = RandomScorer(graph, 6, "quantised");
        ImmutableArray<Triple> filter = empty ? [] : graph.Train;
        var ranks = new RankingEvaluator(scorer, KnownAnswers.Build(scorer.EntityCount, scorer.RelationCount, filter), 512, countedByTensors).Rank(graph.Test);
        ForAll(ranks, (branch, triple, side) =>
            Assert.AreEqual(BruteForce.Rank(scorer, branch, ranks.Triples[triple], side, [.. filter]), ranks[branch, triple, side]));
    }

    [NoTensorLeak]
    public void OptimisticRealisticPessimistic_StandInThisOrder_WithinTheCandidates()
    {
        var graph = EvaluationData.Random(7);
        var ranks = RankTest(graph, RandomScorer(graph, 7, "NaN and infinity"));
        ForAll(ranks, (branch, triple, side) =>
        {
            var rank = ranks[branch, triple, side];
            Assert.IsTrue(rank.Optimistic >= 1 && rank.Optimistic <= rank.Realistic && rank.Realistic <= rank.Pessimistic && rank.Pessimistic <= rank.Candidates, rank.ToString());
        });
    }

    [NoTensorLeak]
    public void RelabellingEntities_ChangesNothing()
    {
        var graph = EvaluationData.Random(8);
        var scorer = RandomScorer(graph, 8, "quantised");
        var newId = Enumerable.Range(0, graph.Entities.Count).ToArray();
        new Random(8).Shuffle(newId);
        var oldId = new int[newId.Length];
        for (var e = 0; e < newId.Length; e++)
        {
            oldId[newId[e]] = e;
        }

        ImmutableArray<Triple> Relabel(ImmutableArray<Triple> triples) => [.. triples.Select(t => t with { Head = newId[t.Head], Tail = newId[t.Tail] })];
        var relabelled = EvaluationData.Graph(newId.Length, scorer.RelationCount, Relabel(graph.Train), Relabel(graph.Validation), Relabel(graph.Test));
        var renamed = new TableScorer(newId.Length, scorer.RelationCount, TwoBranches, (b, e, r, c) => scorer.Of(b, oldId[e], r, oldId[c]));
        AssertSame(RankTest(graph, scorer), RankTest(relabelled, renamed));
    }

    [NoTensorLeak]
    public void AddingAConstant_ChangesNothing_WhereScoresLieFurtherApartThanTheTolerance()
    {
        var graph = EvaluationData.Random(9);
        var scorer = RandomScorer(graph, 9, "quantised");
        var raised = new TableScorer(scorer.EntityCount, scorer.RelationCount, TwoBranches, (b, e, r, c) => scorer.Of(b, e, r, c) + 100);
        AssertSame(RankTest(graph, scorer), RankTest(graph, raised));
    }

    [NoTensorLeak]
    public void HeadRanks_EqualTailRanksOfTheTransposedGraph()
    {
        var graph = EvaluationData.Random(10);
        var scorer = RandomScorer(graph, 10, "quantised");
        static ImmutableArray<Triple> Transpose(ImmutableArray<Triple> triples) => [.. triples.Select(t => new Triple(t.Tail, t.Relation, t.Head))];
        var transposed = EvaluationData.Graph(scorer.EntityCount, scorer.RelationCount, Transpose(graph.Train), Transpose(graph.Validation), Transpose(graph.Test));
        var reciprocal = new TableScorer(scorer.EntityCount, scorer.RelationCount, TwoBranches,
            (b, e, r, c) => scorer.Of(b, e, (r + scorer.RelationCount) % (2 * scorer.RelationCount), c));
        var (ranks, other) = (RankTest(graph, scorer), RankTest(transposed, reciprocal));
        ForAll(ranks, (branch, triple, side) =>
            Assert.AreEqual(ranks[branch, triple, side], other[branch, triple, side == QuerySide.Head ? QuerySide.Tail : QuerySide.Head]));
    }

    [NoTensorLeak]
    public void NaNGold_IsRankedLast_AndNaNCandidatesCountAsBetter()
    {
        // One query (0, 0, ?) with gold 1 over five entities; nothing known but the triple.
        Rank RankOf(params float[] tails)
        {
            var graph = EvaluationData.Graph(5, 1, [], [], [new(0, 0, 1)]);
            return RankTest(graph, new TableScorer(5, 1, ["fusion"], (_, _, r, c) => r == 0 ? tails[c] : 0))[0, 0, QuerySide.Tail];
        }

        Assert.AreEqual(new Rank(5, 5, 5), RankOf(0, float.NaN, 0, 0, 0));
        Assert.AreEqual(new Rank(5, 5, 5), RankOf(float.NaN, float.NaN, float.NaN, float.NaN, float.NaN));
        Assert.AreEqual(new Rank(3, 4, 5), RankOf(float.NaN, 1, float.NaN, 1, 0));
        Assert.AreEqual(new Rank(1, 1, 5), RankOf(0, float.PositiveInfinity, 1, 1, 0));
        Assert.AreEqual(new Rank(4, 5, 5), RankOf(0, float.NegativeInfinity, 1, 1, float.NegativeInfinity));
    }

    [NoTensorLeak]
    public void ConstantScores_RankInTheMiddle_NotFirst()
    {
        var graph = EvaluationData.Graph(101, 1, [], [], [new(0, 0, 1)]);
        var rank = RankTest(graph, new TableScorer(101, 1, ["fusion"], (_, _, _, _) => 3))[0, 0, QuerySide.Tail];
        Assert.AreEqual(51.0, rank.Realistic);
        Assert.AreEqual(new Rank(1, 101, 101), rank);
    }

    [NoTensorLeak]
    public void EveryDistinctQuery_IsScoredOnce_InBatches()
    {
        var graph = EvaluationData.Random(11);
        var scorer = RandomScorer(graph, 11, "normal");
        var queries = graph.Test.SelectMany(t => new[] { (t.Head, t.Relation), (t.Tail, t.Relation + scorer.RelationCount) }).Distinct().Count();
        List<(int Done, int All)> told = [];
        var ranks = new RankingEvaluator(scorer, SplitEvaluation.KnownFor(graph, Split.Test), batchSize: 16).Rank(graph.Test, (done, all) => told.Add((done, all)));
        Assert.AreEqual(queries, scorer.Asked.Sum());
        Assert.AreEqual(queries, ranks.Queries);
        Assert.IsTrue(scorer.Asked.SkipLast(1).All(count => count == 16));
        Assert.AreEqual((queries, queries), told[^1]);
        Assert.AreEqual(scorer.Asked.Count, told.Count);
        Assert.AreEqual(graph.Test.Length, ranks.Triples.Length);
    }

    [NoTensorLeak]
    public void Cancellation_StopsBetweenBatches()
    {
        var graph = EvaluationData.Random(12);
        var scorer = RandomScorer(graph, 12, "normal");
        using var cancel = new CancellationTokenSource();
        Assert.ThrowsExactly<OperationCanceledException>(() =>
            new RankingEvaluator(scorer, SplitEvaluation.KnownFor(graph, Split.Test), 4).Rank(graph.Test, (_, _) => cancel.Cancel(), cancel.Token));
        Assert.HasCount(1, scorer.Asked);
    }

    [TestMethod]
    public void Sample_IsSeeded_WithoutRepetition_InOrder()
    {
        ImmutableArray<Triple> triples = [.. Enumerable.Range(0, 100).Select(i => new Triple(i, 0, i))];
        var sample = RankingEvaluator.Sample(triples, 30, seed: 1);
        Assert.HasCount(30, sample.Distinct());
        Assert.IsTrue(sample.SequenceEqual(sample.OrderBy(t => t.Head)));
        Assert.IsTrue(sample.SequenceEqual(RankingEvaluator.Sample(triples, 30, seed: 1)));
        Assert.IsFalse(sample.SequenceEqual(RankingEvaluator.Sample(triples, 30, seed: 2)));
        Assert.IsTrue(triples.SequenceEqual(RankingEvaluator.Sample(triples, 100, seed: 1)));
    }

    [NoTensorLeak]
    public void LogitsOfAnotherShape_AndUnknownIds_AreRefused()
    {
        var known = KnownAnswers.Build(3, 1, []);
        var scorer = new TableScorer(3, 1, ["fusion"], (_, _, _, c) => c);
        Assert.ThrowsExactly<ArgumentException>(() => new RankingEvaluator(scorer, known).Rank([new(0, 0, 3)]));
        Assert.ThrowsExactly<ArgumentException>(() => new RankingEvaluator(scorer, known).Rank([new(0, 1, 0)]));
        Assert.AreEqual(0, new RankingEvaluator(scorer, known).Rank([]).Queries);
    }

    private static TableScorer RandomScorer(KnowledgeGraph graph, int seed, string kind)
    {
        var random = new Random(seed);
        int entities = graph.Entities.Count, relations = graph.Relations.Count;
        float Draw() => kind switch
        {
            "quantised" => random.Next(-6, 7) * 0.5f,
            // Ten steps around one value, each about a third of the tolerance.
            "near ties" => 2 + random.Next(10) * 7e-5f,
            "large" => (float)(1e30 * (random.NextDouble() - 0.5)),
            "NaN and infinity" => random.Next(12) switch { 0 => float.NaN, 1 => float.PositiveInfinity, 2 => float.NegativeInfinity, var n => n },
            _ => (float)(random.NextDouble() * 2 - 1),
        };

        var table = new float[2, 2 * relations, entities, entities];
        foreach (ref var score in MemoryMarshal.CreateSpan(ref table[0, 0, 0, 0], table.Length))
        {
            score = Draw();
        }

        return new TableScorer(entities, relations, TwoBranches, (b, e, r, c) => table[b, r, e, c]);
    }

    private static SplitRanks RankTest(KnowledgeGraph graph, TableScorer scorer) =>
        new RankingEvaluator(scorer, SplitEvaluation.KnownFor(graph, Split.Test)).Rank(graph.Test);

    private static void AssertSame(SplitRanks expected, SplitRanks actual) => ForAll(expected, (branch, triple, side) =>
        Assert.AreEqual(expected[branch, triple, side], actual[branch, triple, side]));

    private static void ForAll(SplitRanks ranks, Action<int, int, QuerySide> check)
    {
        for (var branch = 0; branch < ranks.Branches.Length; branch++)
        {
            for (var triple = 0; triple < ranks.Triples.Length; triple++)
            {
                foreach (var side in Sides)
                {
                    check(branch, triple, side);
                }
            }
        }
    }
}
