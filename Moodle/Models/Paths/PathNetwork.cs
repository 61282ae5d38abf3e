using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Models.Paths;

/// <summary>
/// Answers a query by what the graph says around its head: messages start there and go along the edges, weighed by what the query is about, so that an entity's
/// state tells which paths lead to it. After NBFNet (Zhu et al., Neural Bellman-Ford Networks, NeurIPS 2021), with DistMult's messages and PNA's aggregation. It
/// learns nothing of a single entity. On a GPU that runs the kernels the states are bfloat16; the parameters are of float32 everywhere.
/// </summary>
public sealed class PathNetwork : nn.Module
{
    private const int Aggregates = 4;
    private const int Scales = 3;
    private readonly int _size;
    private readonly double _dropout;
    private readonly Parameter queries;
    private readonly Linear relations;
    private readonly ModuleList<Linear> updates;
    private readonly ModuleList<LayerNorm> norms;
    private readonly Linear score_in;
    private readonly Linear score_out;

    /// <summary>Creates the network.</summary>
    /// <param name="hiddenSize">d: numbers of a state; a multiple of 8 for the kernels.</param>
    /// <param name="layers">Edges that a path can have at most.</param>
    /// <param name="dropout">What share of each layer's change is dropped in training.</param>
    /// <param name="relationCount">|R|.</param>
    public PathNetwork(int hiddenSize, int layers, double dropout, int relationCount) : base(nameof(PathNetwork))
    {
        (_size, _dropout) = (hiddenSize, dropout);
        queries = nn.Parameter(randn(2L * relationCount, hiddenSize));
        // What every layer multiplies the messages of each relation by, one product for all layers.
        relations = nn.Linear(hiddenSize, 2L * relationCount * layers * hiddenSize);
        updates = nn.ModuleList(Enumerable.Range(0, layers).Select(_ => nn.Linear((1 + (Scales * Aggregates)) * hiddenSize, hiddenSize)).ToArray());
        norms = nn.ModuleList(Enumerable.Range(0, layers).Select(_ => nn.LayerNorm(hiddenSize)).ToArray());
        score_in = nn.Linear(2L * hiddenSize, 2L * hiddenSize);
        // What is added to all entities alike changes no probability.
        score_out = nn.Linear(2L * hiddenSize, 1, hasBias: false);
        RegisterComponents();
    }

    /// <summary>d: numbers of a state.</summary>
    public int HiddenSize => _size;

    /// <summary>Scores all entities as answers.</summary>
    /// <param name="graph">The graph, on the parameters' device; it must live until the gradients are computed.</param>
    /// <param name="heads">int64 [queries].</param>
    /// <param name="relationIds">int64 [queries], 0 to 2|R|-1.</param>
    /// <param name="hidden">What <see cref="PathGraph.Hide"/> returned, or null to see all edges.</param>
    /// <returns>Logits [queries, |E|], recorded by autograd.</returns>
    public Tensor Forward(PathGraph graph, Tensor heads, Tensor relationIds, Tensor? hidden)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(heads);
        ArgumentNullException.ThrowIfNull(relationIds);
        using var scope = NewDisposeScope();
        var type = PathKernels.Fit(graph, _size) ? ScalarType.BFloat16 : queries.dtype;
        var count = heads.shape[0];
        var query = queries.index_select(0, relationIds); // [queries, d]
        var weights = relations.forward(query).view(count, -1, _size).transpose(0, 1).contiguous() // [layers * 2|R|, queries, d]
            .view(updates.Count, -1, count, _size).unbind(0);
        var rows = (heads * count) + arange(count, device: heads.device);
        var states = zeros(graph.EntityCount * count, _size, type, graph.Device).index_copy(0, rows, query.to(type)); // [|E| * queries, d]
        var scales = graph.Scales(hidden);
        var seeds = training && _dropout > 0 ? randint(long.MaxValue, [updates.Count], ScalarType.Int64, graph.Device) : null;
        for (var layer = 0; layer < updates.Count; layer++)
        {
            var (seed, update, norm) = (seeds?.narrow(0, layer, 1), updates[layer], norms[layer]);
            if (PathUpdate.Fits(states))
            {
                states = PathLayer.Next(
                    states, weights[layer], query, update.weight!, update.bias!, new PathEdges(graph, heads, hidden, AtHeads: layer == 0),
                    new PathUpdate(norm.weight!, norm.bias!, scales, seed, seed is null ? 0 : (int)Math.Round(_dropout * 65536)));
            }
            else
            {
                var messages = PathAggregation.Aggregate(states.view(-1, count, _size), weights[layer], query, heads, graph, hidden, atHeads: layer == 0);
                states = Update(layer, scales, states, messages.view(-1, Aggregates * _size), seed);
            }
        }

        return Score(states, query, type).view(-1, count).t().contiguous().MoveToOuterDisposeScope();
    }

    // h + dropout(relu(LayerNorm(W [h; m; s m; m / s] + b))): [|E| * queries, d].
    private Tensor Update(int layer, PathScales scales, Tensor states, Tensor messages, Tensor? seed)
    {
        var (type, norm) = (states.dtype, norms[layer]);
        var weight = updates[layer].weight!.to(type); // [d, 13 d]
        var own = updates[layer].bias!.to(type).addmm(states, weight.narrow(1, 0, _size).t());
        var ofMessages = weight.narrow(1, _size, Scales * Aggregates * _size).view(_size, Scales, -1); // [d, 3, 4 d]
        var (sums, entities) = (own.view(scales.Scale.shape[0], -1, _size), scales.Scale.shape[0]);
        var (scale, inverse) = (scales.Scale.to(type), scales.Inverse.to(type));
        if (states.device_type == DeviceType.CPU && sums.shape[1] >= _size)
        {
            // One matrix for each entity, of fewer numbers than its messages are: a third of the arithmetic.
            var ofEntities = stack([ones_like(scale), scale, inverse], 1).mm(ofMessages.permute(1, 2, 0).reshape(Scales, -1)).view(entities, -1, _size);
            sums += messages.view(entities, -1, Aggregates * _size).bmm(ofEntities);
        }
        else
        {
            var split = Parts(messages, ofMessages).view(entities, -1, Scales * _size).chunk(Scales, 2);
            sums = (sums + split[0]).addcmul(split[1], scale.view(-1, 1, 1), 1).addcmul(split[2], inverse.view(-1, 1, 1), 1);
        }

        var change = nn.functional.relu(nn.functional.layer_norm(sums, [_size], norm.weight!.to(type), norm.bias!.to(type), 1e-5));
        return states + (seed is null ? change : nn.functional.dropout(change, _dropout, true)).view(-1, _size);
    }

    // The parts of W that scaled messages meet share one product: [|E| * queries, 3 d].
    private Tensor Parts(Tensor messages, Tensor weight) => messages.mm(weight.permute(2, 1, 0).reshape(Aggregates * _size, -1));

    // Linear(relu(Linear([h; q]))): [|E| * queries, 1]. The last product is of the parameters' type: numbers of bfloat16 would tie.
    private Tensor Score(Tensor states, Tensor query, ScalarType type)
    {
        var weight = score_in.weight!; // [2 d, 2 d]
        var ofQuery = score_in.bias!.addmm(query, weight.narrow(1, _size, _size).t()).to(type); // [queries, 2 d]
        var ofState = states.mm(weight.narrow(1, 0, _size).t().to(type)).view(-1, query.shape[0], 2L * _size);
        var features = nn.functional.relu(ofState + ofQuery).view(-1, 2L * _size).to(queries.dtype);
        return features.mm(score_out.weight!.t());
    }
}
