using Moodle.Models;
using static TorchSharp.torch;

namespace Moodle.Tests.Evaluation;

/// <summary>A scorer that looks its logits up in a function: (branch, entity, relation of the query, candidate) to score.</summary>
internal sealed class TableScorer(int entities, int relations, string[] branches, Func<int, int, int, int, float> score) : ILinkScorer
{
    private static readonly string[] PartNames = ["structure", "text", "interaction"];

    /// <summary>How many queries each call was asked for.</summary>
    public List<long> Asked { get; } = [];

    /// <summary>Parts of <see cref="Explain"/>: the first branch's score is split by these weights, which add up to 1.</summary>
    public double[] Weights { get; init; } = [0.5, 0.75, -0.25];

    public IReadOnlyList<string> Branches => branches;

    public int EntityCount => entities;

    public int RelationCount => relations;

    public Device Device => CPU;

    public float Of(int branch, int entity, int relation, int candidate) => score(branch, entity, relation, candidate);

    public IReadOnlyList<Tensor> Score(Tensor entities, Tensor relations)
    {
        Asked.Add(entities.shape[0]);
        return [.. Enumerable.Range(0, branches.Length).Select(branch => Rows(entities, relations, branch, 1))];
    }

    public IReadOnlyList<(string Part, Tensor Scores)> Explain(Tensor entities, Tensor relations) =>
        [.. Weights.Select((weight, part) => (PartNames[part], Rows(entities, relations, 0, weight)))];

    private Tensor Rows(Tensor queryEntities, Tensor queryRelations, int branch, double weight)
    {
        var (e, r) = (queryEntities.data<long>().ToArray(), queryRelations.data<long>().ToArray());
        var rows = new float[e.Length, entities];
        for (var q = 0; q < e.Length; q++)
        {
            for (var candidate = 0; candidate < entities; candidate++)
            {
                rows[q, candidate] = (float)(weight * score(branch, (int)e[q], (int)r[q], candidate));
            }
        }

        return tensor(rows);
    }
}
