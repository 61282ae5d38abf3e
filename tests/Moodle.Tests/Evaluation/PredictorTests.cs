using Moodle.Evaluation;
using Moodle.Graphs;
using Moodle.Tests.Support;

namespace Moodle.Tests.Evaluation;

[TestClass]
public sealed class PredictorTests
{
    // Tails of (e0, r0): e1 in train, e2 in validation, e3 in test (and, twice, e1 in test too). Candidates score by their id.
    private static readonly KnowledgeGraph Graph =
        EvaluationData.Graph(8, 2, [new(0, 0, 1), new(4, 0, 5)], [new(0, 0, 2)], [new(0, 0, 3), new(0, 0, 1)]);

    private static TableScorer Scorer(Func<int, float>? score = null) =>
        new(8, 2, ["fusion", "text"], (branch, _, relation, c) => branch == 0 ? (score is null ? c : score(c)) * (relation < 2 ? 1 : -1) : 100);

    [NoTensorLeak]
    public void Answers_AreTheBestCandidates_WithScoreProbabilityAndKnownSplit()
    {
        var predictor = new Predictor(Scorer(), Graph);
        var result = predictor.Predict([predictor.Parse("e0", "relation 0", null)], top: 7).Single();
        Assert.AreEqual(("e0", "Entity 0", "r0", "relation 0", QuerySide.Tail), (result.Entity, result.EntityName, result.Relation, result.RelationName, result.Asked));
        CollectionAssert.AreEqual((string[])["e7", "e6", "e5", "e4", "e3", "e2", "e1"], result.Answers.Select(a => a.Label).ToArray());
        CollectionAssert.AreEqual((int[])[1, 2, 3, 4, 5, 6, 7], result.Answers.Select(a => a.Rank).ToArray());
        CollectionAssert.AreEqual((Split?[])[null, null, null, null, Split.Test, Split.Validation, Split.Train], result.Answers.Select(a => a.KnownIn).ToArray());
        var sum = Enumerable.Range(0, 8).Sum(c => Math.Exp(c));
        foreach (var answer in result.Answers)
        {
            Assert.AreEqual(Math.Exp(answer.Score) / sum, answer.Probability, 1e-9);
            Assert.AreEqual($"Entity {answer.Score}", answer.Name);
        }
    }

    [NoTensorLeak]
    public void HeadQueries_AskTheReciprocalRelation()
    {
        var predictor = new Predictor(Scorer(), Graph);
        var result = predictor.Predict([predictor.Parse("?", "r0", "e1")], top: 3).Single();
        Assert.AreEqual(QuerySide.Head, result.Asked);
        CollectionAssert.AreEqual((string[])["e0", "e1", "e2"], result.Answers.Select(a => a.Label).ToArray());
        CollectionAssert.AreEqual((Split?[])[Split.Train, null, null], result.Answers.Select(a => a.KnownIn).ToArray());
    }

    [NoTensorLeak]
    public void Shares_AreDistancesFromTheMean_AndAddUpToOne()
    {
        var predictor = new Predictor(Scorer(), Graph);
        foreach (var answer in predictor.Predict([new(0, 1, QuerySide.Tail)], top: 8).Single().Answers)
        {
            Assert.AreEqual(1.0, answer.Shares.Sum(share => share.Share), 1e-9);
            // The weights are 0.5, 0.75 and -0.25 of one score.
            Assert.AreEqual(0.5, answer.Shares.Single(share => share.Part == "text").Share, 1e-6);
            Assert.AreEqual(1 / 6.0, answer.Shares.Single(share => share.Part == "interaction").Share, 1e-6);
        }

        var flat = new Predictor(Scorer(_ => 0), Graph).Predict([new(0, 1, QuerySide.Tail)], top: 1).Single().Answers.Single();
        Assert.AreEqual(1.0, flat.Shares.Sum(share => share.Share), 1e-9);
        Assert.AreEqual(1 / 8.0, flat.Probability, 1e-9);
    }

    [NoTensorLeak]
    public void OnlyNew_LeavesKnownAnswersOut_TiesAreOrderedById_AndNaNIsNoAnswer()
    {
        var predictor = new Predictor(Scorer(c => c == 6 ? float.NaN : c >= 4 ? 1 : 2), Graph);
        var all = predictor.Predict([new(0, 0, QuerySide.Tail)], top: 20).Single().Answers;
        CollectionAssert.AreEqual((string[])["e0", "e1", "e2", "e3", "e4", "e5", "e7"], all.Select(a => a.Label).ToArray());
        Assert.AreEqual(1.0, all.Sum(a => a.Probability), 1e-9);
        var onlyNew = predictor.Predict([new(0, 0, QuerySide.Tail)], top: 2, onlyNew: true).Single().Answers;
        CollectionAssert.AreEqual((string[])["e0", "e4"], onlyNew.Select(a => a.Label).ToArray());
    }

    [NoTensorLeak]
    public void ManyQueries_AreAnsweredInOrder_LikeEachAlone()
    {
        var predictor = new Predictor(Scorer(), Graph);
        var queries = Enumerable.Range(0, 600).Select(i => new PredictionQuery(i % 8, i % 2, (QuerySide)(i / 2 % 2))).ToArray();
        List<int> told = [];
        var results = predictor.Predict(queries, top: 2, progress: (done, _) => told.Add(done));
        Assert.AreEqual(600, told[^1]);
        Assert.IsTrue(told.Count > 1);
        for (var i = 0; i < queries.Length; i += 37)
        {
            var alone = predictor.Predict([queries[i]], top: 2).Single();
            Assert.AreEqual((alone.Entity, alone.Relation, alone.Asked), (results[i].Entity, results[i].Relation, results[i].Asked));
            CollectionAssert.AreEqual(alone.Answers.Select(a => (a.Label, a.Score, a.KnownIn)).ToArray(), results[i].Answers.Select(a => (a.Label, a.Score, a.KnownIn)).ToArray());
        }
    }

    [TestMethod]
    [DataRow("e0", "r0", "e1", "not both")]
    [DataRow(null, "r0", "?", "head or a tail")]
    [DataRow("e0", " ", null, "relation")]
    [DataRow("e0", "relatoin 1", null, "'relation 1' (r1)")]
    public void WrongQueries_AreRefused_WithWhatToDo(string? head, string? relation, string? tail, string part)
    {
        var error = Assert.ThrowsExactly<InputException>(() => new Predictor(Scorer(), Graph).Parse(head, relation, tail));
        Assert.Contains(part, error.Message);
    }

    [NoTensorLeak]
    [DataRow("queries.tsv", "head\trelation\ttail\ne0\tr0\t?\n\n\tr1\tEntity 3\n")]
    [DataRow("queries.csv", "id,Tail,\"relation\",head\n1,,r0,\"e0\"\n2,entity 3,relation 1,?\n")]
    public void Tables_OfQueries_AreRead(string name, string text)
    {
        using var folder = TestData.NewFolder();
        File.WriteAllText(folder[name], text);
        CollectionAssert.AreEqual(
            (PredictionQuery[])[new(0, 0, QuerySide.Tail), new(3, 1, QuerySide.Head)], PredictionFile.Read(folder[name], new Predictor(Scorer(), Graph)).ToArray());
    }

    [TestMethod]
    [DataRow("", "empty")]
    [DataRow("head,relation\ne0,r0\n", ":1: found the columns head, relation")]
    [DataRow("head,relation,tail\n", "no queries")]
    [DataRow("head,relation,tail\ne0,r0,?\n\nnobody,r0,\n", ":4: no entity is called 'nobody'")]
    [DataRow("head,relation,tail\ne0,r0,e1\n", ":2: a query has a head or a tail, not both")]
    [DataRow("head,relation,tail\ne0\n", ":2: a query needs a relation")]
    public void BadTables_AreRefused_WithTheLine(string text, string part)
    {
        using var folder = TestData.NewFolder();
        File.WriteAllText(folder["queries.csv"], text);
        var error = Assert.ThrowsExactly<InputException>(() => PredictionFile.Read(folder["queries.csv"], new Predictor(Scorer(), Graph)));
        Assert.Contains(part, error.Message);
        Assert.Contains(folder["queries.csv"], error.Message);
        Assert.Contains("no such file", Assert.ThrowsExactly<InputException>(() => PredictionFile.Read(folder["none.csv"], new Predictor(Scorer(), Graph))).Message);
    }

    [NoTensorLeak]
    public void Answers_AreWritten_AsTable_AndAsJson()
    {
        using var folder = TestData.NewFolder();
        var results = new Predictor(Scorer(), Graph).Predict([new(0, 0, QuerySide.Tail), new(1, 0, QuerySide.Head)], top: 5);
        PredictionFile.Write(folder["answers.tsv"], results);
        var lines = File.ReadAllLines(folder["answers.tsv"]);
        Assert.HasCount(11, lines);
        Assert.AreEqual("head\trelation\ttail\tasked\trank\tname\tscore\tprobability\tknown\tshare_structure\tshare_text\tshare_interaction", lines[0]);
        Assert.StartsWith("e0\tr0\te7\ttail\t1\tEntity 7\t7\t0.63", lines[1]);
        Assert.Contains("\ttest\t", lines[5]);
        Assert.StartsWith("e0\tr0\te1\thead\t1\tEntity 0\t", lines[6]);
        var json = PredictionJson.ToJson(results);
        Assert.AreEqual("e7", (string?)json[0]!["answers"]![0]!["label"]);
        Assert.AreEqual("test", (string?)json[0]!["answers"]![4]!["known"]);
        Assert.IsNull(json[0]!["answers"]![0]!["known"]);
        Assert.AreEqual(0.5, (double)json[0]!["answers"]![0]!["shares"]!["text"]!, 1e-6);
    }
}
