using System.Diagnostics;
using Moodle.Evaluation;
using Moodle.Graphs;
using Moodle.Models;
using Moodle.Tests.Support;
using static TorchSharp.torch;

namespace Moodle.Tests.Evaluation;

[TestClass]
public sealed class RealRankingTests
{
    private static readonly string[] Branches = ["fusion", "structure", "text", "image"];

    public required TestContext TestContext { get; set; }

    [NoTensorLeak]
    public void TestSplitOfFB15K237_IsRankedInSeconds_ByFourBranches()
    {
        var graph = GraphReader.Read(TestData.Require("FB15K-237-IMG"));
        using var scorer = new RowScorer(graph.Entities.Count, graph.Relations.Count);
        var (report, ranks) = SplitEvaluation.Run(scorer, graph, Split.Test, new() { BootstrapSamples = 0 });
        var ranking = report.Seconds - report.ScoringSeconds;
        var bootstrap = Stopwatch.StartNew();
        Bootstrap.IntervalsOf(ranks, 1000);
        TestContext.WriteLine($"{report.Queries} distinct queries: scoring {report.ScoringSeconds:F2} s, ranking {ranking:F2} s; 1,000 bootstrap samples {bootstrap.Elapsed.TotalSeconds:F2} s");
        Assert.AreEqual(40_932, report.Branches[0].Realistic.Both.Count);
        // Random scores: no better and no worse than chance.
        Assert.AreEqual(0.0, report.Branches[0].Realistic.Both.Amri, 0.02);
        // About a second on two cores; the bound leaves room for a busy machine.
        Assert.IsLessThan(15.0, ranking);

        var naive = new TableScorer(scorer.EntityCount, scorer.RelationCount, Branches, scorer.Of);
        var filter = BruteForce.Filter(graph, Split.Test);
        for (var triple = 5; triple < ranks.Triples.Length; triple += 4_001)
        {
            foreach (var side in (QuerySide[])[QuerySide.Tail, QuerySide.Head])
            {
                Assert.AreEqual(BruteForce.Rank(naive, triple % 4, ranks.Triples[triple], side, filter), ranks[triple % 4, triple, side]);
            }
        }
    }

    /// <summary>Gives one of 512 random rows for a query: scoring that costs next to nothing, at full size.</summary>
    private sealed class RowScorer : ILinkScorer, IDisposable
    {
        private const int Rows = 512;
        private readonly Tensor[] _rows;
        private readonly float[][] _values;

        public RowScorer(int entities, int relations)
        {
            (EntityCount, RelationCount) = (entities, relations);
            _rows = [.. Branches.Select((_, branch) => randn(Rows, entities, generator: new Generator((ulong)branch, CPU)))];
            _values = Array.ConvertAll(_rows, rows => rows.data<float>().ToArray());
        }

        public IReadOnlyList<string> Branches => RealRankingTests.Branches;

        public int EntityCount { get; }

        public int RelationCount { get; }

        public Device Device => CPU;

        public float Of(int branch, int entity, int relation, int candidate) => _values[branch][(31L * entity + relation) % Rows * EntityCount + candidate];

        public IReadOnlyList<Tensor> Score(Tensor entities, Tensor relations)
        {
            using var row = (31 * entities + relations).remainder(Rows);
            return [.. _rows.Select(rows => rows.index_select(0, row))];
        }

        public IReadOnlyList<(string Part, Tensor Scores)> Explain(Tensor entities, Tensor relations) => throw new NotSupportedException();

        public void Dispose() => Array.ForEach(_rows, rows => rows.Dispose());
    }
}
