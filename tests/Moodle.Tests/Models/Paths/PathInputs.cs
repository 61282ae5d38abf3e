using Moodle.Graphs;
using Moodle.Models.Paths;
using static TorchSharp.torch;

namespace Moodle.Tests.Models.Paths;

/// <summary>What one aggregation takes, drawn once for several ways to compute it. Numbers are those of bfloat16, so that all types see the same messages and the same ties.</summary>
internal sealed record PathInputs
{
    public const int Relations = 5;

    /// <summary>Draws with torch's generator.</summary>
    /// <param name="entities">|E|.</param>
    /// <param name="size">d.</param>
    /// <param name="queries">How many.</param>
    /// <param name="atHeads">Whether states are zero but at the heads.</param>
    public PathInputs(int entities, int size, int queries, bool atHeads)
    {
        Tensor Draw(params long[] shape) => randn(shape).to(ScalarType.BFloat16).to(ScalarType.Float32);
        (States, Weights, Queries) = (Draw(entities, queries, size), Draw(2 * Relations, queries, size), Draw(queries, size));
        // Entities that no message reached yet: zeros, which tie with the messages to all but the heads.
        States.narrow(0, 100, 40).zero_();
        Heads = randint(entities, [queries], ScalarType.Int64);
        Heads.narrow(0, 0, 1).zero_(); // the hub asks too
        Rows = (Heads * queries) + arange(queries);
        if (atHeads)
        {
            var drawn = States.view(-1, size).index_select(0, Rows);
            States.zero_();
            States.view(-1, size).index_copy_(0, Rows, drawn);
        }

        AtHeads = atHeads;
        Hidden = randint(entities, [40], ScalarType.Int64);
        Gradient = Draw(entities, queries, 4 * size);
    }

    public Tensor States { get; }

    public Tensor Weights { get; }

    public Tensor Queries { get; }

    public Tensor Heads { get; }

    /// <summary>Where the heads stand among all pairs of an entity and a query.</summary>
    public Tensor Rows { get; }

    public bool AtHeads { get; }

    /// <summary>Entities whose edges to the hub are hidden, where any are.</summary>
    public Tensor Hidden { get; }

    public Tensor Gradient { get; }

    /// <summary>Entity 0 has 3,000 edges and more; a few hundred entities have many, most have one or two, the last none.</summary>
    public static PathGraph Graph(Device device)
    {
        var random = new Random(9);
        var hub = Enumerable.Range(1, 3000).Select(tail => new Triple(0, random.Next(Relations), tail));
        var dense = Enumerable.Range(0, 4000).Select(_ => new Triple(random.Next(200), random.Next(Relations), random.Next(200)));
        return new PathGraph([.. hub, .. dense, new(7, 0, 7), new(7, 1, 8), new(7, 2, 8)], 3400, Relations, device);
    }

    /// <summary>Aggregates on a graph: the output, and the gradients of states, weights and queries; of the states' only those that are asked for.</summary>
    /// <param name="graph">Where to.</param>
    /// <param name="type">The states' type.</param>
    /// <param name="others">The type of weights and queries.</param>
    /// <param name="hides">Whether edges are hidden.</param>
    public Tensor[] Run(PathGraph graph, ScalarType type, ScalarType others, bool hides)
    {
        var device = graph.Device;
        var ends = Hidden.to(device);
        var hidden = hides ? graph.Hide(ends, zeros_like(ends), zeros_like(ends)) : null;
        Tensor[] inputs = [States.to(type).to(device), Weights.to(others).to(device), Queries.to(others).to(device)];
        inputs = [.. inputs.Select(input => input.detach().clone().requires_grad_())];
        var result = PathAggregation.Aggregate(inputs[0], inputs[1], inputs[2], Heads.to(device), graph, hidden, AtHeads);
        autograd.backward([result], [Gradient.to(type).to(device)]);
        var toStates = inputs[0].grad!;
        return [result.detach(), AtHeads ? toStates.view(-1, toStates.shape[2]).index_select(0, Rows.to(device)) : toStates, inputs[1].grad!, inputs[2].grad!];
    }
}
