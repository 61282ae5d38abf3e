using System.Collections.Immutable;
using Moodle.Graphs;

namespace Moodle.Evaluation;

/// <summary>A question for missing ends of triples.</summary>
/// <param name="Entity">The id of the end that is given.</param>
/// <param name="Relation">The relation's id, 0 to |R|-1 for both sides.</param>
/// <param name="Asked">The end that is asked for.</param>
public readonly record struct PredictionQuery(int Entity, int Relation, QuerySide Asked);

/// <summary>How much a part of the model had to do with a score: shares of an answer add up to 1.</summary>
/// <param name="Part">A modality, or <c>interaction</c>.</param>
/// <param name="Share">0 to 1.</param>
/// <param name="Score">What the part gave to the answer's score, less what it gave to all entities on average.</param>
public readonly record struct PartShare(string Part, double Share, double Score);

/// <summary>One answer.</summary>
/// <param name="Rank">Its place, from 1; where known answers are left out, among the others.</param>
/// <param name="Label">The entity's label.</param>
/// <param name="Name">The entity's name.</param>
/// <param name="Score">The logit of the scorer's first branch.</param>
/// <param name="Probability">Softmax of the first branch's logits over all entities.</param>
/// <param name="Shares">
/// For every part of the score its distance from the part's mean over all entities, as a share of the sum of all such distances: what
/// set this answer apart from the others, in either direction.
/// </param>
/// <param name="KnownIn">The first of train, validation and test that holds the triple; null where it is new.</param>
public sealed record Prediction(
    int Rank, string Label, string Name, double Score, double Probability, ImmutableArray<PartShare> Shares, Split? KnownIn);

/// <summary>A query with its best answers.</summary>
/// <param name="Asked">The end that was asked for.</param>
/// <param name="Entity">The label of the end that was given.</param>
/// <param name="EntityName">Its name.</param>
/// <param name="Relation">The relation's label.</param>
/// <param name="RelationName">Its name.</param>
/// <param name="Answers">The answers, best first.</param>
public sealed record PredictionResult(
    QuerySide Asked, string Entity, string EntityName, string Relation, string RelationName, ImmutableArray<Prediction> Answers);
