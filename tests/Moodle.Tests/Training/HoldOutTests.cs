using System.Collections.Immutable;
using Moodle.Configuration;
using Moodle.Graphs;
using Moodle.Tests.Evaluation;
using Moodle.Training;

namespace Moodle.Tests.Training;

[TestClass]
public sealed class HoldOutTests
{
    private const int Entities = 40;
    private const int Relations = 4;

    [TestMethod]
    [DataRow(HoldOutUnit.Pair)]
    [DataRow(HoldOutUnit.Triple)]
    public void ThePartsAreTheTrainingTriples_AndNoEntityOrRelationLosesItsLast(HoldOutUnit unit)
    {
        foreach (var seed in Enumerable.Range(1, 5))
        {
            var graph = Graph(seed, linkedValidation: true);
            var (branches, fusion) = HoldOut.Divide(graph, 0.2, unit, seed);
            CollectionAssert.AreEquivalent(graph.Train, branches.AddRange(fusion));
            Assert.IsTrue(fusion.Length >= 0.2 * graph.Train.Length && fusion.Length < 0.25 * graph.Train.Length, $"{fusion.Length} of {graph.Train.Length}");
            CollectionAssert.AreEquivalent(Ids(graph.Train), Ids(branches));
            CollectionAssert.AreEqual(branches, HoldOut.Divide(graph, 0.2, unit, seed).Branches, "the same by the same seed");
        }
    }

    [TestMethod]
    public void ByPairs_NothingLinksTheEndsOfWhatIsHeldOut_ByTriplesAsMuchAsBefore()
    {
        var graph = Graph(3, linkedValidation: true);
        Assert.AreEqual(0, Linked(HoldOut.Divide(graph, 0.2, HoldOutUnit.Pair, 1)));
        Assert.IsGreaterThan(0.5, Linked(HoldOut.Divide(graph, 0.2, HoldOutUnit.Triple, 1)));
    }

    [TestMethod]
    [DataRow(true, HoldOutUnit.Triple)]
    [DataRow(false, HoldOutUnit.Pair)]
    public void Auto_DoesAsValidationWasDrawn(bool linkedValidation, HoldOutUnit expected)
    {
        var graph = Graph(4, linkedValidation);
        CollectionAssert.AreEqual(HoldOut.Divide(graph, 0.2, expected, 1).Fusion, HoldOut.Divide(graph, 0.2, HoldOutUnit.Auto, 1).Fusion);
    }

    // Nearly every training triple has its reverse, and one stands twice; validation triples have theirs in train, or share their ends with none.
    private static KnowledgeGraph Graph(int seed, bool linkedValidation)
    {
        var random = new Random(seed);
        var triples = new List<Triple>();
        for (var i = 0; i < 150; i++)
        {
            var (head, tail) = (random.Next(Entities / 2), random.Next(Entities / 2));
            triples.Add(new Triple(head, random.Next(Relations - 1), tail));
            triples.Add(new Triple(tail, Relations - 1, head));
        }

        triples.AddRange(Enumerable.Range(Entities / 2, Entities / 2).Select(entity => new Triple(entity, 0, entity - 1)));
        triples.Add(triples[0]);
        Triple[] validation = linkedValidation
            ? [.. triples.Take(20).Select(triple => new Triple(triple.Tail, 1, triple.Head))]
            : [.. Enumerable.Range(0, Entities / 2).Select(entity => new Triple(entity, 1, Entities - 1))];
        return EvaluationData.Graph(Entities, Relations, [.. triples], [.. validation], []);
    }

    private static string[] Ids(IEnumerable<Triple> triples) =>
        [.. triples.SelectMany(triple => (string[])[$"e{triple.Head}", $"e{triple.Tail}", $"r{triple.Relation}"]).Distinct()];

    private static double Linked((ImmutableArray<Triple> Branches, ImmutableArray<Triple> Fusion) parts)
    {
        static (int, int) Ends(Triple triple) => (Math.Min(triple.Head, triple.Tail), Math.Max(triple.Head, triple.Tail));
        var left = parts.Branches.Select(Ends).ToHashSet();
        return parts.Fusion.Count(triple => left.Contains(Ends(triple))) / (double)parts.Fusion.Length;
    }
}
