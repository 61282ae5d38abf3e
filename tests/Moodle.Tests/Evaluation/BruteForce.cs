using Moodle.Evaluation;
using Moodle.Graphs;

namespace Moodle.Tests.Evaluation;

/// <summary>
/// Ranks as the definition says, one triple and one candidate after another in float64, written apart from the evaluator: the yardstick.
/// </summary>
internal static class BruteForce
{
    public static Rank Rank(TableScorer scorer, int branch, Triple triple, QuerySide side, HashSet<Triple> known)
    {
        var gold = Score(scorer, branch, triple, side);
        // As in isclose of NumPy and Torch: an infinite score is close to itself alone.
        var tolerance = double.IsFinite(gold) ? 1e-5 + 1e-4 * Math.Abs(gold) : 0;
        int better = 0, ties = 0, competitors = 0;
        for (var entity = 0; entity < scorer.EntityCount; entity++)
        {
            var candidate = side == QuerySide.Tail ? triple with { Tail = entity } : triple with { Head = entity };
            if (candidate == triple || known.Contains(candidate))
            {
                continue;
            }

            competitors++;
            var score = Score(scorer, branch, candidate, side);
            if (double.IsNaN(gold) || double.IsNaN(score))
            {
                better++;
            }
            else if (score == gold || Math.Abs(score - gold) <= tolerance)
            {
                ties++;
            }
            else if (score > gold)
            {
                better++;
            }
        }

        return new Rank(1 + better, 1 + better + ties, competitors + 1);
    }

    public static HashSet<Triple> Filter(KnowledgeGraph graph, Split split) => split switch
    {
        Split.Train => [.. graph.Train],
        Split.Validation => [.. graph.Train, .. graph.Validation],
        _ => [.. graph.Train, .. graph.Validation, .. graph.Test],
    };

    private static double Score(TableScorer scorer, int branch, Triple triple, QuerySide side) => side == QuerySide.Tail
        ? scorer.Of(branch, triple.Head, triple.Relation, triple.Tail)
        : scorer.Of(branch, triple.Tail, triple.Relation + scorer.RelationCount, triple.Head);
}
