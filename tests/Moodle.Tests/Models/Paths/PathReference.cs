using Moodle.Graphs;

namespace Moodle.Tests.Models.Paths;

/// <summary>The path network's equations, written out in float64 without torch.</summary>
/// <param name="Triples">Training triples.</param>
/// <param name="Entities">|E|.</param>
/// <param name="Relations">|R|.</param>
/// <param name="Size">d.</param>
/// <param name="Layers">Layers.</param>
internal sealed record PathReference(IReadOnlyList<Triple> Triples, int Entities, int Relations, int Size, int Layers)
{
    /// <summary>Logits of all entities for one query.</summary>
    public double[] Logits(IReadOnlyDictionary<string, double[]> parameters, int head, int relation, IReadOnlyCollection<(int A, int B)> hidden)
    {
        var edges = Edges();
        double[] Logarithms() => [.. Enumerable.Range(0, Entities).Select(v => Math.Log(edges.Count(edge => edge.Target == v) + 1))];
        var mean = Logarithms().Average();
        edges.RemoveWhere(edge => hidden.Contains((edge.Source, edge.Target)) || hidden.Contains((edge.Target, edge.Source)));
        var scales = Logarithms().Select(logarithm => (float)(logarithm / mean)).ToArray(); // of float32 in the graph
        var query = parameters["queries"][(relation * Size)..((relation + 1) * Size)];
        var states = Enumerable.Range(0, Entities).Select(v => v == head ? query : new double[Size]).ToArray();
        for (var layer = 0; layer < Layers; layer++)
        {
            var factors = Linear(parameters["relations.weight"], parameters["relations.bias"], query).Skip(layer * 2 * Relations * Size).Chunk(Size).ToArray();
            var before = states;
            states = [.. Enumerable.Range(0, Entities).Select(v =>
            {
                var messages = edges.Where(edge => edge.Target == v).Select(edge => before[edge.Source].Zip(factors[edge.Relation], (h, w) => h * w).ToArray())
                    .Append(v == head ? query : new double[Size]).ToArray();
                var columns = Enumerable.Range(0, Size).Select(k => messages.Select(message => message[k]).ToArray()).ToArray();
                double[] aggregates =
                [
                    .. columns.Select(m => m.Average()), .. columns.Select(m => m.Max()), .. columns.Select(m => m.Min()),
                    .. columns.Select(m => Math.Sqrt(m.Average(x => Math.Pow(x - m.Average(), 2)) + 1e-6)),
                ];
                double[] input = [.. before[v], .. aggregates, .. aggregates.Select(x => x * scales[v]), .. aggregates.Select(x => x * (1 / Math.Max(scales[v], 0.01f)))];
                var sum = Linear(parameters[$"updates.{layer}.weight"], parameters[$"updates.{layer}.bias"], input);
                var deviation = Math.Sqrt(sum.Average(x => Math.Pow(x - sum.Average(), 2)) + 1e-5);
                return before[v].Select((h, k) =>
                    h + Math.Max(0, ((sum[k] - sum.Average()) / deviation * parameters[$"norms.{layer}.weight"][k]) + parameters[$"norms.{layer}.bias"][k])).ToArray();
            })];
        }

        return [.. states.Select(state =>
        {
            var features = Linear(parameters["score_in.weight"], parameters["score_in.bias"], [.. state, .. query]).Select(x => Math.Max(0, x)).ToArray();
            return Linear(parameters["score_out.weight"], [0], features)[0];
        })];
    }

    /// <summary>All edges, reciprocals too.</summary>
    public HashSet<(int Source, int Relation, int Target)> Edges() =>
        [.. Triples.Select(t => (t.Head, t.Relation, t.Tail)), .. Triples.Select(t => (t.Tail, t.Relation + Relations, t.Head))];

    private static double[] Linear(double[] weight, double[] bias, double[] x) =>
        [.. bias.Select((b, row) => b + Numbers.Dot(weight[(row * x.Length)..((row + 1) * x.Length)], x))];
}
