using Moodle.Graphs;
using Moodle.Tests.Graphs;
using Moodle.Tests.Support;
using Moodle.Training;
using static TorchSharp.torch;

namespace Moodle.Tests.Training;

[TestClass]
public sealed class AnswerMaskTests
{
    private const int Entities = 40;

    [NoTensorLeak]
    [DataRow(false)]
    [DataRow(true)]
    public void ItMarksTheKnownAnswersOfEachRow_AndNothingElse(bool others)
    {
        using var scope = NewDisposeScope();
        var queries = TrainingQueries.Build(Entities, 2, RandomGraph.Triples(seed: 1, entities: Entities, relations: 2, count: 150));
        // Other triples: some queries have answers of theirs, some none.
        var known = others ? KnownAnswers.Build(Entities, 2, RandomGraph.Triples(seed: 2, entities: Entities, relations: 2, count: 60)) : null;
        using var mask = new AnswerMask(queries, known, Entities, CPU);
        foreach (var rows in new int[][] { [.. Enumerable.Range(0, queries.Count).Reverse()], [3, 3, 0, 3], [queries.Count - 1] })
        {
            var marked = mask.Of(rows, tensor(Array.ConvertAll(rows, row => (long)row)));
            Assert.AreEqual(ScalarType.Bool, marked.dtype);
            CollectionAssert.AreEqual(new long[] { rows.Length, Entities }, marked.shape);
            var expected = rows.SelectMany(query =>
            {
                var answers = (known is null ? queries.Answers(query) : known[queries.Entities[query], queries.Relations[query]]).ToArray();
                return Enumerable.Range(0, Entities).Select(entity => answers.Contains(entity));
            });
            CollectionAssert.AreEqual(expected.ToArray(), marked.data<bool>().ToArray());
        }
    }

    [NoTensorLeak]
    public void RowsWithoutAKnownAnswer_AreEmpty()
    {
        using var scope = NewDisposeScope();
        var queries = TrainingQueries.Build(Entities, 1, [new Triple(0, 0, 1)]);
        using var mask = new AnswerMask(queries, KnownAnswers.Build(Entities, 1, []), Entities, CPU);
        Assert.IsFalse(mask.Of([0, 1], tensor(new long[] { 0, 1 })).any().item<bool>());
    }
}
