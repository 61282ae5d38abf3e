using System.Collections.Immutable;

namespace Moodle.Graphs;

/// <summary>How many tails a head has under a relation, and how many heads a tail.</summary>
public enum RelationCategory
{
    /// <summary>1-1: one tail for each head, one head for each tail.</summary>
    OneToOne,

    /// <summary>1-N: many tails for each head, one head for each tail.</summary>
    OneToMany,

    /// <summary>N-1: one tail for each head, many heads for each tail.</summary>
    ManyToOne,

    /// <summary>N-N: many of both.</summary>
    ManyToMany,
}

/// <summary>Sorts relations into 1-1, 1-N, N-1 and N-N (Bordes et al. 2013).</summary>
public static class RelationCategories
{
    /// <summary>A mean from here on counts as "many".</summary>
    public const double Threshold = 1.5;

    /// <summary>
    /// The category of every relation by its distinct triples: the mean number of tails over the heads that it has, and of heads over tails.
    /// A relation without triples counts as 1-1.
    /// </summary>
    /// <param name="relationCount">|R|, without reciprocals.</param>
    /// <param name="training">The queries of the training triples.</param>
    public static ImmutableArray<RelationCategory> Of(int relationCount, TrainingQueries training)
    {
        var queries = new int[2 * relationCount];
        var answers = new int[2 * relationCount];
        for (var query = 0; query < training.Count; query++)
        {
            queries[training.Relations[query]]++;
            answers[training.Relations[query]] += training.Answers(query).Length;
        }

        bool Many(int relation) => answers[relation] >= Threshold * queries[relation] && queries[relation] > 0;
        return [.. Enumerable.Range(0, relationCount).Select(relation => (Many(relation), Many(relation + relationCount)) switch
        {
            (false, false) => RelationCategory.OneToOne,
            (true, false) => RelationCategory.OneToMany,
            (false, true) => RelationCategory.ManyToOne,
            _ => RelationCategory.ManyToMany,
        })];
    }

    /// <summary>The usual short name: <c>1-1</c>, <c>1-N</c>, <c>N-1</c> or <c>N-N</c>.</summary>
    public static string Name(this RelationCategory category) => category switch
    {
        RelationCategory.OneToOne => "1-1",
        RelationCategory.OneToMany => "1-N",
        RelationCategory.ManyToOne => "N-1",
        _ => "N-N",
    };
}
