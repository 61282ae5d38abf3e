using Moodle.Graphs;

namespace Moodle.Tests.Graphs;

[TestClass]
public sealed class QueriesTests
{
    [TestMethod]
    [DataRow(1, 1, 1, 1)]
    [DataRow(2, 7, 3, 200)]
    [DataRow(3, 40, 5, 60)]
    [DataRow(4, 5, 2, 0)]
    public void KnownAnswersAreThoseOfASearchThroughAllTriples(int seed, int entities, int relations, int count)
    {
        var first = RandomGraph.Triples(seed, entities, relations, count);
        var second = RandomGraph.Triples(seed + 100, entities, relations, count / 2);

        var known = KnownAnswers.Build(entities, relations, first, second);

        for (var entity = 0; entity < entities; entity++)
        {
            for (var relation = 0; relation < relations; relation++)
            {
                var all = first.Concat(second).Where(triple => triple.Relation == relation).ToArray();
                CollectionAssert.AreEqual(all.Where(triple => triple.Head == entity).Select(triple => triple.Tail).Distinct().Order().ToArray(), known[entity, relation].ToArray());
                CollectionAssert.AreEqual(all.Where(triple => triple.Tail == entity).Select(triple => triple.Head).Distinct().Order().ToArray(), known[entity, relation + relations].ToArray());
            }
        }

        Assert.IsTrue(first.All(known.Contains));
    }

    [TestMethod]
    [DataRow(1, 1, 1, 3)]
    [DataRow(2, 7, 3, 200)]
    [DataRow(3, 40, 5, 60)]
    [DataRow(4, 5, 2, 0)]
    public void TrainingQueriesStandForEveryTripleInBothDirections(int seed, int entities, int relations, int count)
    {
        var triples = RandomGraph.Triples(seed, entities, relations, count);

        var queries = TrainingQueries.Build(entities, relations, triples);

        var expected = triples.Select(triple => (triple.Head, triple.Relation, triple.Tail))
            .Concat(triples.Select(triple => (triple.Tail, triple.Relation + relations, triple.Head)))
            .Order().ToArray();
        var found = new List<(int, int, int)>();
        for (var query = 0; query < queries.Count; query++)
        {
            Assert.IsGreaterThan(0, queries.Answers(query).Length);
            for (var i = 0; i < queries.Answers(query).Length; i++)
            {
                found.AddRange(Enumerable.Repeat((queries.Entities[query], queries.Relations[query], queries.Answers(query)[i]), queries.Multiplicities(query)[i]));
            }
        }

        // Equal without sorting what was found: the order is by entity, relation and answer.
        CollectionAssert.AreEqual(expected, found);
        Assert.AreEqual(2 * count, queries.TotalWeight);
        Assert.AreEqual(expected.Select(query => (query.Item1, query.Item2)).Distinct().Count(), queries.Count);
    }

    [TestMethod]
    public void OrderOfTheTriplesDoesNotMatter()
    {
        var triples = RandomGraph.Triples(5, 9, 4, 100);

        var one = TrainingQueries.Build(9, 4, triples);
        var other = TrainingQueries.Build(9, 4, [.. triples.Reverse()]);

        CollectionAssert.AreEqual(one.AllAnswers.ToArray(), other.AllAnswers.ToArray());
        CollectionAssert.AreEqual(one.AllMultiplicities.ToArray(), other.AllMultiplicities.ToArray());
        CollectionAssert.AreEqual(one.Offsets.ToArray(), other.Offsets.ToArray());
    }

    [TestMethod]
    public void RelationsAreSortedByMeanTailsAndHeadsOfDistinctTriples()
    {
        // Relation 0 married to, 1 has child, 2 born in, 3 knows, 4 exactly 1.5 tails for each head, 5 without triples.
        var triples = System.Collections.Immutable.ImmutableArray.Create<Triple>(
            new(0, 0, 1), new(0, 0, 1), new(2, 0, 3),
            new(0, 1, 4), new(0, 1, 5),
            new(0, 2, 6), new(1, 2, 6),
            new(0, 3, 1), new(0, 3, 2), new(1, 3, 1), new(1, 3, 2),
            new(0, 4, 1), new(0, 4, 2), new(1, 4, 3));

        var categories = RelationCategories.Of(6, TrainingQueries.Build(7, 6, triples));

        Assert.AreEqual("1-1 1-N N-1 N-N 1-N 1-1", string.Join(' ', categories.Select(category => category.Name())));
    }
}
