using Moodle.Evaluation;
using Moodle.Graphs;
using Moodle.Tests.Support;

namespace Moodle.Tests.Evaluation;

[TestClass]
public sealed class MetricsTests
{
    // Realistic ranks 1, 3.5 and 8; candidates 11, 11 and 21, whose expected ranks are 6, 6 and 11.
    private static readonly Rank[] ThreeRanks = [new(1, 1, 11), new(3, 4, 11), new(8, 8, 21)];

    [TestMethod]
    public void Figures_AreThoseWorkedOutByHand()
    {
        var metrics = Metrics.Of(ThreeRanks);
        Assert.AreEqual((1 + 1 / 3.5 + 1 / 8.0) / 3, metrics.Mrr, 1e-12);
        Assert.AreEqual(12.5 / 3, metrics.Mr, 1e-12);
        Assert.AreEqual(1 / 3.0, metrics.HitsAt1, 1e-12);
        Assert.AreEqual(1 / 3.0, metrics.HitsAt3, 1e-12);
        Assert.AreEqual(2 / 3.0, metrics.HitsAt5, 1e-12);
        Assert.AreEqual(1.0, metrics.HitsAt10, 1e-12);
        Assert.AreEqual(1 - (12.5 / 3 - 1) / (23 / 3.0 - 1), metrics.Amri, 1e-12);
        Assert.AreEqual(3, metrics.Count);
    }

    [TestMethod]
    public void TieRules_ChooseTheRank()
    {
        Assert.AreEqual(4.0, Metrics.Of(ThreeRanks, TieRule.Optimistic).Mr, 1e-12);
        Assert.AreEqual(13 / 3.0, Metrics.Of(ThreeRanks, TieRule.Pessimistic).Mr, 1e-12);
        Assert.AreEqual(2 / 3.0, Metrics.Of(ThreeRanks, TieRule.Optimistic).HitsAt3, 1e-12);
        Assert.AreEqual(1 / 3.0, Metrics.Of(ThreeRanks, TieRule.Pessimistic).HitsAt3, 1e-12);
    }

    [TestMethod]
    public void Amri_IsOneForPerfect_ZeroForChance_AndUndefinedWithoutCompetitors()
    {
        Assert.AreEqual(1.0, Metrics.Of([new(1, 1, 5), new(1, 1, 9)]).Amri);
        // All candidates score the same: the realistic rank is the expected one.
        Assert.AreEqual(0.0, Metrics.Of([new(1, 5, 5), new(1, 9, 9)]).Amri, 1e-12);
        Assert.AreEqual(-1.0, Metrics.Of([new(5, 5, 5), new(9, 9, 9)]).Amri, 1e-12);
        Assert.IsTrue(double.IsNaN(Metrics.Of([new(1, 1, 1)]).Amri));
        Assert.IsTrue(double.IsNaN(Metrics.Of([]).Mrr));
    }

    [TestMethod]
    public void Macro_CountsEveryMemberTheSame_AndLeavesEmptyOnesOut()
    {
        var macro = Metrics.Macro([Metrics.Of([new(1, 1, 9), new(1, 1, 9), new(1, 1, 9)]), Metrics.Of([new(2, 2, 9)]), Metrics.Of([])]);
        Assert.AreEqual(0.75, macro.Mrr, 1e-12);
        Assert.AreEqual(1.5, macro.Mr, 1e-12);
        Assert.AreEqual(2, macro.Count);
    }

    [NoTensorLeak]
    public void Report_GroupsBySide_Relation_AndCategory()
    {
        var graph = EvaluationData.Random(21);
        var random = new Random(21);
        var scores = Enumerable.Range(0, 8 * 37 * 37).Select(_ => random.NextSingle()).ToArray();
        var scorer = new TableScorer(37, 4, ["fusion", "text"], (b, e, r, c) => scores[(r * 37 + e) * 37 + c] * (b == 0 ? 1 : -1));
        var (report, ranks) = SplitEvaluation.Run(scorer, graph, Split.Test, new() { BootstrapSamples = 0 });
        for (var branch = 0; branch < 2; branch++)
        {
            Rank[] Of(QuerySide side, Func<Triple, bool> wanted) =>
                [.. Enumerable.Range(0, ranks.Triples.Length).Where(t => wanted(ranks.Triples[t])).Select(t => ranks[branch, t, side])];
            void AssertSides(BySide<Metrics> actual, Func<Triple, bool> wanted, TieRule rule = TieRule.Realistic)
            {
                var (head, tail) = (Of(QuerySide.Head, wanted), Of(QuerySide.Tail, wanted));
                AssertClose(Metrics.Of([.. head, .. tail], rule), actual.Both);
                AssertClose(Metrics.Of(head, rule), actual.Head);
                AssertClose(Metrics.Of(tail, rule), actual.Tail);
            }

            var figures = report.Branches[branch];
            AssertSides(figures.Realistic, _ => true);
            AssertSides(figures.Optimistic, _ => true, TieRule.Optimistic);
            AssertSides(figures.Pessimistic, _ => true, TieRule.Pessimistic);
            foreach (var relation in figures.Relations)
            {
                AssertSides(relation.Metrics, t => graph.Relations[t.Relation] == relation.Relation);
            }

            foreach (var category in figures.Categories)
            {
                var members = figures.Relations.Where(r => r.Category == category.Category).Select(r => r.Relation).ToHashSet();
                AssertSides(category.Metrics, t => members.Contains(graph.Relations[t.Relation]));
            }

            Assert.AreEqual(figures.Realistic.Both.Count, figures.Categories.Sum(c => c.Metrics.Both.Count));
            Assert.AreEqual(figures.Relations.Average(r => r.Metrics.Head.Mrr), figures.Macro.Head.Mrr, 1e-12);
            Assert.AreEqual(figures.Relations.Length, figures.Macro.Both.Count);
            Assert.IsNull(figures.Intervals);
        }
    }

    [NoTensorLeak]
    public void Validation_IsNotFilteredByTest_AndAnEmptySplitIsRefused()
    {
        // Entity 2 is the better answer of the validation query and true by test alone: it must stay a candidate.
        var graph = EvaluationData.Graph(4, 1, [new(0, 0, 3)], [new(0, 0, 1)], [new(0, 0, 2)]);
        var scorer = new TableScorer(4, 1, ["fusion"], (_, _, _, candidate) => candidate);
        var validation = SplitEvaluation.Run(scorer, graph, Split.Validation, new()).Ranks;
        Assert.AreEqual(new Rank(2, 2, 3), validation[0, 0, QuerySide.Tail]);
        Assert.AreEqual(new Rank(1, 1, 2), SplitEvaluation.Run(scorer, graph, Split.Test, new()).Ranks[0, 0, QuerySide.Tail]);
        var error = Assert.ThrowsExactly<InputException>(() =>
            SplitEvaluation.Run(scorer, EvaluationData.Graph(4, 1, [new(0, 0, 3)], [], []), Split.Test, new()));
        Assert.Contains("test split", error.Message);
    }

    private static void AssertClose(Metrics expected, Metrics actual)
    {
        Assert.AreEqual(expected.Mrr, actual.Mrr, 1e-12);
        Assert.AreEqual(expected.Mr, actual.Mr, 1e-9);
        Assert.AreEqual(expected.HitsAt1, actual.HitsAt1, 1e-12);
        Assert.AreEqual(expected.HitsAt3, actual.HitsAt3, 1e-12);
        Assert.AreEqual(expected.HitsAt5, actual.HitsAt5, 1e-12);
        Assert.AreEqual(expected.HitsAt10, actual.HitsAt10, 1e-12);
        Assert.AreEqual(expected.Amri, actual.Amri, 1e-9);
        Assert.AreEqual(expected.Count, actual.Count);
    }
}
