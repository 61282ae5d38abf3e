using System.Collections.Immutable;

namespace Moodle.Graphs;

/// <summary>
/// The distinct queries (entity, relation) of a list of triples in both directions, with their answers and how often each occurs.
/// In 1-vs-all training one row of logits serves all triples of a query. Ordered by entity, then relation, then answer.
/// </summary>
public sealed class TrainingQueries
{
    private readonly QueryTable _table;

    private TrainingQueries(QueryTable table, long totalWeight)
    {
        _table = table;
        TotalWeight = totalWeight;
    }

    /// <summary>The number of distinct queries.</summary>
    public int Count => _table.Entities.Length;

    /// <summary>The entity of every query [Count].</summary>
    public ReadOnlySpan<int> Entities => _table.Entities;

    /// <summary>The relation of every query, 0 to 2|R|-1 [Count].</summary>
    public ReadOnlySpan<int> Relations => _table.Relations;

    /// <summary>Answers of query i stand at <c>Offsets[i]</c> to <c>Offsets[i + 1]</c> of <see cref="AllAnswers"/> [Count + 1].</summary>
    public ReadOnlySpan<int> Offsets => _table.AnswerOffsets;

    /// <summary>The answers of all queries, one query after the other.</summary>
    public ReadOnlySpan<int> AllAnswers => _table.Answers;

    /// <summary>How many triples each of <see cref="AllAnswers"/> stands for.</summary>
    public ReadOnlySpan<int> AllMultiplicities => _table.Multiplicities;

    /// <summary>The sum of all multiplicities: twice the number of triples, duplicates counted.</summary>
    public long TotalWeight { get; }

    /// <summary>Groups the triples.</summary>
    /// <param name="entityCount">|E|.</param>
    /// <param name="relationCount">|R|, without reciprocals.</param>
    /// <param name="triples">The triples; duplicates raise the multiplicity.</param>
    public static TrainingQueries Build(int entityCount, int relationCount, ImmutableArray<Triple> triples) =>
        new(QueryTable.Build(entityCount, relationCount, triples), 2L * triples.Length);

    /// <summary>The distinct answers of a query in ascending order.</summary>
    public ReadOnlySpan<int> Answers(int query) => AllAnswers[Offsets[query]..Offsets[query + 1]];

    /// <summary>How many triples each of <see cref="Answers"/> stands for.</summary>
    public ReadOnlySpan<int> Multiplicities(int query) => AllMultiplicities[Offsets[query]..Offsets[query + 1]];
}
