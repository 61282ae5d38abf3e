using System.Collections.Immutable;
using Moodle.Graphs;
using Moodle.Models.Paths;
using Moodle.Tests.Support;
using TorchSharp;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Models.Paths;

[TestClass]
public sealed class PathNetworkTests
{
    // A loop, relations side by side, a triple that stands twice, and an entity (6) without an edge.
    private static readonly ImmutableArray<Triple> s_triples =
        [new(0, 0, 1), new(0, 1, 1), new(1, 0, 1), new(1, 0, 2), new(2, 1, 3), new(2, 1, 3), new(3, 0, 4), new(4, 1, 0), new(5, 0, 2), new(5, 1, 4), new(3, 1, 0)];

    private static readonly PathReference s_reference = new(s_triples, 7, 2, 3, 2);
    private static readonly (int Head, int Relation)[] s_queries = [(0, 0), (6, 1), (2, 3), (1, 2)];
    private static readonly (int, int)[] s_hidden = [(0, 1), (3, 2), (1, 1), (5, 0)];

    // With fewer queries than a state has numbers the update multiplies otherwise.
    [NoTensorLeak]
    [DataRow(false, 4)]
    [DataRow(true, 4)]
    [DataRow(true, 2)]
    public void Logits_AndTheirGradients_AreThoseOfTheEquations(bool hides, int count)
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        var asked = s_queries.Take(count).ToArray();
        using var graph = new PathGraph(s_triples, 7, 2, CPU);
        using var network = new PathNetwork(3, 2, 0.5, 2);
        network.to(ScalarType.Float64);
        Scramble(network, 0.6);
        network.eval();
        var (heads, relations) = (tensor(asked.Select(query => (long)query.Head).ToArray()), tensor(asked.Select(query => (long)query.Relation).ToArray()));
        (int, int)[] pairs = hides ? s_hidden : [];
        var hidden = hides ? graph.Hide(tensor(pairs.Select(pair => (long)pair.Item1).ToArray()), zeros(pairs.Length, ScalarType.Int64), tensor(pairs.Select(pair => (long)pair.Item2).ToArray())) : null;
        var parameters = network.named_parameters().ToDictionary(entry => entry.name, entry => Flat(entry.parameter));
        double[] Expected() => [.. asked.SelectMany(query => s_reference.Logits(parameters, query.Head, query.Relation, pairs))];

        var logits = network.Forward(graph, heads, relations, hidden);
        CollectionAssert.AreEqual(new long[] { asked.Length, 7 }, logits.shape);
        AreClose(Expected(), logits, 1e-12, "logits");

        var factors = randn_like(logits);
        var weights = Flat(factors);
        (logits * factors).sum().backward();
        foreach (var (name, parameter) in network.named_parameters())
        {
            var (values, differences) = (parameters[name], new double[parameters[name].Length]);
            for (var i = 0; i < values.Length; i++)
            {
                var value = values[i];
                double At(double x)
                {
                    values[i] = x;
                    return Dot(Expected(), weights);
                }

                differences[i] = (At(value + 1e-5) - At(value - 1e-5)) / 2e-5;
                values[i] = value;
            }

            AreClose(differences, parameter.grad!, 1e-6, name);
        }
    }

    // Enough numbers that the messages of all entities do not fit into one piece.
    [NoTensorLeak]
    public void AnAnswer_DoesNotDependOnTheOtherQueries()
    {
        using var scope = NewDisposeScope();
        manual_seed(4);
        var random = new Random(5);
        ImmutableArray<Triple> triples = [.. Enumerable.Range(0, 600).Select(_ => new Triple(random.Next(90), random.Next(3), random.Next(90)))];
        using var graph = new PathGraph(triples, 90, 3, CPU);
        using var network = new PathNetwork(32, 2, 0, 3);
        var (heads, relations) = (randint(90, [150], ScalarType.Int64), randint(6, [150], ScalarType.Int64));
        var hidden = graph.Hide(heads.narrow(0, 0, 20), relations.narrow(0, 0, 20), heads.narrow(0, 20, 20));
        var (all, allGradient) = Answer(heads, relations);
        var (first, firstGradient) = Answer(heads.narrow(0, 0, 100), relations.narrow(0, 0, 100));
        var (last, lastGradient) = Answer(heads.narrow(0, 100, 50), relations.narrow(0, 100, 50));
        AreClose(Flat(cat([first, last], 0)), all, 1e-4, "logits");
        AreClose(Flat(firstGradient + lastGradient), allGradient, 2e-3, "gradient");

        (Tensor Logits, Tensor Gradient) Answer(Tensor from, Tensor about)
        {
            network.zero_grad();
            var logits = network.Forward(graph, from, about, hidden);
            logits.sum().backward();
            return (logits.detach(), Parameter(network, "relations.weight").grad!.clone());
        }
    }

    [NoTensorLeak]
    public void Dropout_ActsInTrainingAlone()
    {
        using var scope = NewDisposeScope();
        manual_seed(6);
        using var graph = new PathGraph(s_triples, 7, 2, CPU);
        using var network = new PathNetwork(8, 2, 0.5, 2);
        var (heads, relations) = (tensor(new long[] { 0, 3 }), tensor(new long[] { 1, 2 }));
        using var none = no_grad();
        Tensor Logits() => network.Forward(graph, heads, relations, null);
        Assert.IsFalse(Logits().allclose(Logits()));
        network.eval();
        Assert.IsTrue(Logits().allclose(Logits()));
    }
}
