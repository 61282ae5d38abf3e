using System.Collections.Immutable;
using Moodle.Graphs;
using Moodle.Models.Paths;
using Moodle.Tests.Support;
using static TorchSharp.torch;

namespace Moodle.Tests.Models.Paths;

[TestClass]
public sealed class PathGraphTests
{
    [NoTensorLeak]
    [DataRow(12, 3, 40)]
    [DataRow(30, 1, 25)]
    [DataRow(4, 2, 0)]
    public void Edges_AreTheTriplesAndTheirReciprocals_OnceEach_InBothOrders(int entities, int relations, int count)
    {
        using var scope = NewDisposeScope();
        var triples = Draw(entities, relations, count);
        using var graph = new PathGraph(triples, entities, relations, CPU);
        var expected = new PathReference(triples, entities, relations, 0, 0).Edges();
        Assert.AreEqual(expected.Count, graph.EdgeCount);
        Assert.AreEqual(expected.Select(edge => (Math.Min(edge.Source, edge.Target), Math.Max(edge.Source, edge.Target))).Distinct().Count(), graph.UnitCount);
        var (incoming, outgoing) = (List(graph, graph.Incoming), List(graph, graph.Outgoing));
        CollectionAssert.AreEqual(expected.OrderBy(edge => (edge.Target, edge.Relation, edge.Source)).ToArray(), incoming.Select(edge => (edge.Other, edge.Relation, edge.Own)).ToArray());
        CollectionAssert.AreEqual(expected.OrderBy(edge => (edge.Source, edge.Relation, edge.Target)).ToArray(), outgoing.Select(edge => (edge.Own, edge.Relation, edge.Other)).ToArray());
        foreach (var edge in outgoing)
        {
            var twin = incoming[edge.Position];
            Assert.AreEqual((edge.Own, edge.Relation, edge.Other, edge.Pair), (twin.Other, twin.Relation, twin.Own, twin.Pair));
            Assert.AreEqual(edge.Position - graph.OffsetsOnHost[edge.Other], twin.Position);
        }
    }

    [NoTensorLeak]
    [DataRow(true)]
    [DataRow(false)]
    public void Hide_HidesExactlyTheEdgesBetweenTheGivenPairs_OrTheGivenTriples(bool byPair)
    {
        using var scope = NewDisposeScope();
        var random = new Random(2);
        for (var repeat = 0; repeat < 20; repeat++)
        {
            var (entities, triples) = (10, Draw(10, 2, repeat * 3));
            using var graph = new PathGraph(triples, entities, 2, CPU, byPair);
            (int A, int Relation, int B)[] asked = [.. Enumerable.Range(0, repeat % 7).Select(_ => (random.Next(entities), random.Next(4), random.Next(entities)))];
            Tensor Ids(IEnumerable<int> ids) => tensor(ids.Select(id => (long)id).ToArray());
            var hidden = graph.Hide(Ids(asked.Select(fact => fact.A)), Ids(asked.Select(fact => fact.Relation)), Ids(asked.Select(fact => fact.B)));
            Assert.AreEqual(ScalarType.Byte, hidden.dtype);
            CollectionAssert.AreEqual(new long[] { graph.UnitCount }, hidden.shape);
            var flags = graph.UnitCount == 0 ? [] : hidden.data<byte>().ToArray();
            foreach (var edge in List(graph, graph.Incoming))
            {
                // The lists are by target: an edge goes from Other to Own.
                var expected = asked.Any(fact => (fact.A == edge.Other && fact.B == edge.Own && (byPair || fact.Relation == edge.Relation))
                    || (fact.A == edge.Own && fact.B == edge.Other && (byPair || fact.Relation == (edge.Relation + 2) % 4)));
                Assert.AreEqual(expected ? 1 : 0, flags[edge.Pair], $"{edge} of {repeat}");
            }
        }
    }

    [NoTensorLeak]
    [DataRow(false)]
    [DataRow(true)]
    public void Scale_IsTheLogarithmOfTheDegreeThatIsSeen_OverItsMean(bool hides)
    {
        using var scope = NewDisposeScope();
        using var graph = new PathGraph([new Triple(0, 0, 1), new Triple(0, 0, 2), new Triple(2, 0, 2)], 4, 1, CPU);
        static Tensor Id(long id) => tensor(new[] { id });
        var scales = graph.Scales(hides ? graph.Hide(Id(2), Id(0), Id(0)) : null);
        double[] logarithms = [Math.Log(3), Math.Log(2), Math.Log(4), 0];
        double[] seen = hides ? [Math.Log(2), Math.Log(2), Math.Log(3), 0] : logarithms;
        Numbers.AreClose([.. seen.Select(x => x / logarithms.Average())], scales.Scale, 1e-6);
        Numbers.AreClose([.. seen.Select(x => Math.Min(100, logarithms.Average() / x))], scales.Inverse, 1e-6);
    }

    private static ImmutableArray<Triple> Draw(int entities, int relations, int count)
    {
        var random = new Random(count);
        return [.. Enumerable.Range(0, count).Select(_ => new Triple(random.Next(entities), random.Next(relations), random.Next(entities)))];
    }

    private static (int Own, int Other, int Relation, int Position, int Pair)[] List(PathGraph graph, Tensor list)
    {
        var numbers = list.numel() == 0 ? [] : list.data<int>().ToArray();
        return [.. from own in Enumerable.Range(0, graph.EntityCount)
            from i in Enumerable.Range(graph.OffsetsOnHost[own], graph.OffsetsOnHost[own + 1] - graph.OffsetsOnHost[own])
            select (own, numbers[4 * i], numbers[(4 * i) + 1], numbers[(4 * i) + 2], numbers[(4 * i) + 3])];
    }
}
