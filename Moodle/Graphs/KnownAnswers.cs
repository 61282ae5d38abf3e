using System.Collections.Immutable;

namespace Moodle.Graphs;

/// <summary>
/// The true answers of every query (entity, relation), for filtered ranking: relation r asks for tails, r + |R| for heads.
/// Memory is linear in the triples and entities; a look-up is a binary search among the entity's relations.
/// </summary>
public sealed class KnownAnswers
{
    private readonly QueryTable _table;

    private KnownAnswers(QueryTable table) => _table = table;

    /// <summary>Collects the answers of all lists of triples.</summary>
    /// <param name="entityCount">|E|.</param>
    /// <param name="relationCount">|R|, without reciprocals.</param>
    /// <param name="lists">The triples, such as those of several splits.</param>
    public static KnownAnswers Build(int entityCount, int relationCount, params ReadOnlySpan<ImmutableArray<Triple>> lists) =>
        new(QueryTable.Build(entityCount, relationCount, lists));

    /// <summary>The distinct answers of a query in ascending order; empty where none is known.</summary>
    /// <param name="entity">0 to |E|-1.</param>
    /// <param name="relation">0 to 2|R|-1.</param>
    public ReadOnlySpan<int> this[int entity, int relation]
    {
        get
        {
            var first = _table.EntityOffsets[entity];
            var found = _table.Relations.AsSpan(first.._table.EntityOffsets[entity + 1]).BinarySearch(relation);
            return found < 0 ? [] : _table.Answers.AsSpan(_table.AnswerOffsets[first + found].._table.AnswerOffsets[first + found + 1]);
        }
    }

    /// <summary>Whether a triple is among those collected.</summary>
    public bool Contains(Triple triple) => this[triple.Head, triple.Relation].BinarySearch(triple.Tail) >= 0;
}
