using System.Collections.Immutable;

namespace Moodle.Graphs;

/// <summary>
/// Triples in both directions grouped by query: (head, r) is answered by tails, (tail, r + |R|) by heads. Compressed rows, sorted by
/// entity, relation and answer, so that the order depends on the triples alone and memory is linear in them.
/// </summary>
internal sealed class QueryTable
{
    private QueryTable(int[] entityOffsets, int[] entities, int[] relations, int[] answerOffsets, int[] answers, int[] multiplicities)
    {
        EntityOffsets = entityOffsets;
        Entities = entities;
        Relations = relations;
        AnswerOffsets = answerOffsets;
        Answers = answers;
        Multiplicities = multiplicities;
    }

    /// <summary>Queries of entity e are <c>EntityOffsets[e]</c> to <c>EntityOffsets[e + 1]</c>; length |E| + 1.</summary>
    public int[] EntityOffsets { get; }

    /// <summary>The entity of every query.</summary>
    public int[] Entities { get; }

    /// <summary>The relation of every query, 0 to 2|R|-1.</summary>
    public int[] Relations { get; }

    /// <summary>Answers of query i are <c>AnswerOffsets[i]</c> to <c>AnswerOffsets[i + 1]</c>; length queries + 1.</summary>
    public int[] AnswerOffsets { get; }

    /// <summary>Distinct answers, ascending within a query.</summary>
    public int[] Answers { get; }

    /// <summary>How many triples each answer stands for.</summary>
    public int[] Multiplicities { get; }

    /// <summary>Groups all triples of the lists.</summary>
    public static QueryTable Build(int entityCount, int relationCount, params ReadOnlySpan<ImmutableArray<Triple>> lists)
    {
        // Counting sort by entity, then a sort of (relation, answer) packed in 64 bits within each entity.
        var starts = new int[entityCount + 1];
        foreach (var triples in lists)
        {
            foreach (var triple in triples)
            {
                starts[triple.Head + 1]++;
                starts[triple.Tail + 1]++;
            }
        }

        for (var entity = 0; entity < entityCount; entity++)
        {
            starts[entity + 1] = checked(starts[entity + 1] + starts[entity]);
        }

        var packed = new ulong[starts[entityCount]];
        var next = starts.AsSpan(0, entityCount).ToArray();
        foreach (var triples in lists)
        {
            foreach (var triple in triples)
            {
                packed[next[triple.Head]++] = Pack(triple.Relation, triple.Tail);
                packed[next[triple.Tail]++] = Pack(triple.Relation + relationCount, triple.Head);
            }
        }

        var entityOffsets = new int[entityCount + 1];
        var entities = new List<int>();
        var relations = new List<int>();
        var answerOffsets = new List<int>();
        var answers = new List<int>();
        var multiplicities = new List<int>();
        for (var entity = 0; entity < entityCount; entity++)
        {
            var row = packed.AsSpan(starts[entity]..starts[entity + 1]);
            row.Sort();
            for (var i = 0; i < row.Length; i++)
            {
                var relation = (int)(row[i] >> 32);
                if (i == 0 || (int)(row[i - 1] >> 32) != relation)
                {
                    entities.Add(entity);
                    relations.Add(relation);
                    answerOffsets.Add(answers.Count);
                }

                if (i > 0 && row[i] == row[i - 1])
                {
                    multiplicities[^1]++;
                }
                else
                {
                    answers.Add((int)(uint)row[i]);
                    multiplicities.Add(1);
                }
            }

            entityOffsets[entity + 1] = entities.Count;
        }

        answerOffsets.Add(answers.Count);
        return new QueryTable(entityOffsets, [.. entities], [.. relations], [.. answerOffsets], [.. answers], [.. multiplicities]);
    }

    private static ulong Pack(int relation, int answer) => ((ulong)(uint)relation << 32) | (uint)answer;
}
