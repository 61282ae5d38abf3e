using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Models.Paths;

/// <summary>A path network over a graph, frozen for ranking and for the fusion.</summary>
/// <param name="network">The network; it must not be trained while this is in use.</param>
/// <param name="graph">The facts that its paths lead along.</param>
public sealed class PathScorer(PathNetwork network, PathGraph graph) : ILinkScorer
{
    // Numbers of all entities' states for the queries that are answered at once; the network needs a dozen times as many.
    private const long MostNumbers = 1L << 26;
    // Four aggregates of each are then a tensor that NativeHeap.Retain keeps: larger ones cost a fault for each page.
    private const long MostNumbersOfCpu = 1L << 21;

    /// <inheritdoc/>
    public IReadOnlyList<string> Branches { get; } = [MultimodalModel.PathsName];

    /// <inheritdoc/>
    public int EntityCount => graph.EntityCount;

    /// <inheritdoc/>
    public int RelationCount => graph.RelationCount;

    /// <inheritdoc/>
    public Device Device => graph.Device;

    /// <summary>Logits of all entities for as many queries as one likes; so many are answered at once as memory is reckoned to suffice for.</summary>
    /// <param name="heads">int64 [queries].</param>
    /// <param name="relations">int64 [queries], 0 to 2|R|-1.</param>
    /// <param name="hidden">What <see cref="PathGraph.Hide"/> returned; null to see all edges, as in ranking.</param>
    /// <returns>float32 [queries, |E|], without gradients.</returns>
    public Tensor Answer(Tensor heads, Tensor relations, Tensor? hidden = null)
    {
        ArgumentNullException.ThrowIfNull(heads);
        ArgumentNullException.ThrowIfNull(relations);
        using var none = no_grad();
        using var scope = NewDisposeScope();
        network.eval();
        var most = Device.type == DeviceType.CPU ? MostNumbersOfCpu : MostNumbers;
        var rows = Math.Max(1, most / ((long)EntityCount * network.HiddenSize));
        var logits = empty(heads.shape[0], EntityCount, device: Device);
        for (var first = 0L; first < heads.shape[0]; first += rows)
        {
            using var part = NewDisposeScope();
            var count = Math.Min(rows, heads.shape[0] - first);
            logits.narrow(0, first, count).copy_(network.Forward(graph, heads.narrow(0, first, count), relations.narrow(0, first, count), hidden));
        }

        return logits.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public IReadOnlyList<Tensor> Score(Tensor entities, Tensor relations) => [Answer(entities, relations)];

    /// <inheritdoc/>
    public IReadOnlyList<(string Part, Tensor Scores)> Explain(Tensor entities, Tensor relations) => [(Branches[0], Answer(entities, relations))];
}
