using System.Collections.Immutable;
using Moodle.Graphs;

namespace Moodle.Tests.Evaluation;

/// <summary>Small graphs for the tests of evaluation.</summary>
internal static class EvaluationData
{
    /// <summary>A graph with entities e0, e1, ... named "Entity 0", ... and relations r0, ... named "relation 0", ....</summary>
    public static KnowledgeGraph Graph(
        int entities, int relations, ImmutableArray<Triple> train, ImmutableArray<Triple> validation, ImmutableArray<Triple> test, Func<int, string>? name = null) => new()
        {
            Path = "graph",
            Layout = "test",
            Entities = new Vocabulary(Enumerable.Range(0, entities).Select(e => $"e{e}")),
            Relations = new Vocabulary(Enumerable.Range(0, relations).Select(r => $"r{r}")),
            GivenNames = [.. Enumerable.Range(0, entities).Select(name ?? (e => $"Entity {e}"))],
            RelationNames = [.. Enumerable.Range(0, relations).Select(r => $"relation {r}")],
            Descriptions = [.. new string?[entities]],
            Images = [.. Enumerable.Repeat(ImmutableArray<string>.Empty, entities)],
            Train = train,
            Validation = validation,
            Test = test,
        };

    /// <summary>
    /// A random graph with duplicates inside and across splits; a few entities occur in validation and test alone, and the last one nowhere.
    /// </summary>
    public static KnowledgeGraph Random(int seed, int entities = 37, int relations = 4, int triples = 300)
    {
        var random = new Random(seed);
        ImmutableArray<Triple> Draw(int count, int most) =>
            [.. Enumerable.Range(0, count).Select(_ => new Triple(random.Next(most), random.Next(relations), random.Next(most)))];
        var train = Draw(triples, entities - 5);
        var validation = Draw(triples / 5, entities - 2).AddRange(train.Take(3));
        var test = Draw(triples / 5, entities - 1).AddRange(validation.Take(4));
        return Graph(entities, relations, train, validation, test.AddRange(test.Take(7)));
    }
}
