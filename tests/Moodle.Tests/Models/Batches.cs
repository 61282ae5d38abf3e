using Moodle.Models;
using static TorchSharp.torch;

namespace Moodle.Tests.Models;

/// <summary>Batches written out by hand.</summary>
internal static class Batches
{
    /// <summary>One entry for each query: its known entity, its relation, and its answers with how many triples state each.</summary>
    public static QueryBatch Of(params (int Head, int Relation, (int Entity, int Count)[] Answers)[] queries)
    {
        var answers = queries.SelectMany((query, row) => query.Answers.Select(answer => (Row: (long)row, answer.Entity, answer.Count))).ToArray();
        return new QueryBatch(
            tensor(queries.Select(query => (long)query.Head).ToArray()),
            tensor(queries.Select(query => (long)query.Relation).ToArray()),
            tensor(queries.Select(query => (float)query.Answers.Sum(answer => answer.Count)).ToArray()),
            tensor(answers.Select(answer => answer.Row).ToArray()),
            tensor(answers.Select(answer => (long)answer.Entity).ToArray()),
            tensor(answers.Select(answer => (float)answer.Count).ToArray()),
            answers.Sum(answer => answer.Count));
    }

    /// <summary>Queries with one answer each, drawn by a seed.</summary>
    public static QueryBatch Random(int seed, int queries, int entities, int relations)
    {
        var random = new Random(seed);
        return Of([.. Enumerable.Range(0, queries).Select(_ =>
            (random.Next(entities), random.Next(2 * relations), new[] { (random.Next(entities), 1 + random.Next(2)) }))]);
    }
}
