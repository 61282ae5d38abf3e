using System.Collections.Immutable;
using Moodle.Graphs;
using static TorchSharp.torch;

namespace Moodle.Reporting;

/// <summary>Adds up the gates that a scorer tells of while it ranks, so that they cost no pass of their own.</summary>
internal sealed class GateMeans(int relationCount)
{
    private double[][]? _sums;
    private readonly long[] _queries = new long[relationCount];

    /// <summary>Takes a batch in.</summary>
    /// <param name="relations">int64 [queries], 0 to 2|R|-1.</param>
    /// <param name="gate">float32 [queries, branches].</param>
    public void Hear(Tensor relations, Tensor gate)
    {
        using var scope = NewDisposeScope();
        var branches = (int)gate.shape[1];
        _sums ??= [.. Enumerable.Range(0, relationCount).Select(_ => new double[branches])];
        var ids = relations.cpu().data<long>().ToArray();
        var weights = gate.detach().to(ScalarType.Float32, CPU).contiguous().data<float>().ToArray();
        for (var query = 0; query < ids.Length; query++)
        {
            var relation = (int)(ids[query] % relationCount);
            _queries[relation]++;
            for (var branch = 0; branch < branches; branch++)
            {
                _sums[relation][branch] += weights[(query * branches) + branch];
            }
        }
    }

    /// <summary>The means: of all relations first, then of each that was asked for. Empty where nothing was heard.</summary>
    public ImmutableArray<RelationGate> ToArray(KnowledgeGraph graph)
    {
        if (_sums is not { } sums || _queries.Sum() == 0)
        {
            return [];
        }

        var total = Enumerable.Range(0, sums[0].Length).Select(branch => sums.Sum(row => row[branch]) / _queries.Sum());
        return
        [
            new RelationGate(null, "all relations", _queries.Sum(), [.. total]),
            .. Enumerable.Range(0, relationCount).Where(relation => _queries[relation] > 0).Select(relation =>
                new RelationGate(graph.Relations[relation], graph.RelationNames[relation], _queries[relation], [.. sums[relation].Select(sum => sum / _queries[relation])])),
        ];
    }
}
