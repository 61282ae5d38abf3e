using System.Collections.Immutable;
using Moodle.Configuration;
using Moodle.Graphs;
using Moodle.Models;
using Moodle.Runtime;
using Moodle.Training;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Training;

/// <summary>What is learned in parts, where memory runs out, is what is learned at once.</summary>
[TestClass]
public sealed class BatchPartsTests
{
    private static TinyGraph s_data = null!;
    private static KnowledgeGraph s_graph = null!;

    [ClassInitialize]
    public static void Read(TestContext _)
    {
        s_data = new TinyGraph();
        s_graph = Trainer.ReadData(s_data.Config());
    }

    [ClassCleanup]
    public static void Delete() => s_data.Dispose();

    [TestMethod]
    [DataRow("unimodal")]
    [DataRow("unimodal", "training.task_weights=uncertainty", "training.label_smoothing=0.1", "structure.relation_weight=0.2")]
    [DataRow("unimodal", "guidance.exact_entities=10", "guidance.top_k=5", "image.scorer=rotate", "training.unimodal.optimizer=adamw")]
    [DataRow("unimodal", "guidance.enabled=false", "modalities=structure,text")]
    [DataRow("refit")]
    [DataRow("fusion")]
    [DataRow("fusion", "paths.enabled=true", "paths.hidden_size=4", "paths.layers=2")]
    [DataRow("paths", "paths.enabled=true", "paths.hidden_size=4", "paths.layers=2")]
    public void WhereMemoryRunsOut_PartsGiveTheSame(string kind, params string[] sets)
    {
        var (losses, parameters, messages, rows) = Train(kind, sets, []);
        Assert.HasCount(0, messages);
        var whole = rows.Max();
        // At the first batch as a whole, and at the third of its halves: what the first half left in the gradients has to go.
        var (inParts, again, heard, partRows) = Train(kind, sets, [0, 2]);
        Assert.HasCount(1, heard);
        Assert.Contains("parts of", heard[0]);
        Assert.IsLessThanOrEqualTo((whole + 3) / 4, partRows.Skip(3).Max(), "a quarter, and kept");
        AreClose([.. losses], tensor(inParts), 1e-4);
        // A margin moves all logits of a query alike: its gradient is nothing but rounding, which AdamW makes as large as any other.
        foreach (var (name, numbers) in parameters.Where(entry => !entry.Key.EndsWith("margin", StringComparison.Ordinal)))
        {
            // So it is with the path network's features that are on for all entities, of which there may be any: hence its gradients, as shares of a tensor's largest.
            var unit = kind == "paths" ? Math.Max(numbers.Max(Math.Abs), 1e-12) : 1;
            AreClose([.. numbers.Select(x => x / unit)], tensor(again[name]) / unit, 1e-3, name);
        }
    }

    [TestMethod]
    public void WhereASingleRowDoesNotFit_TheErrorIsToldAsItIs()
    {
        using var scope = NewDisposeScope();
        using var stage = Create("unimodal", s_data.Config(), out var model);
        using var _ = model;
        PartsOf(stage).Computing = _ => throw new InvalidOperationException("CUDA out of memory. Tried to allocate 2.00 GiB.");
        stage.BeginEpoch(0, new SplitMix64(1));
        Assert.Contains("2.00 GiB", Assert.ThrowsExactly<InvalidOperationException>(() => stage.Step(0, 0)).Message);
    }

    [TestMethod]
    public void AnyOtherError_IsNotTakenForIt()
    {
        using var scope = NewDisposeScope();
        using var stage = Create("unimodal", s_data.Config(), out var model);
        using var _ = model;
        var calls = 0;
        PartsOf(stage).Computing = _ => throw new InvalidOperationException($"another error {++calls}");
        stage.BeginEpoch(0, new SplitMix64(1));
        Assert.AreEqual("another error 1", Assert.ThrowsExactly<InvalidOperationException>(() => stage.Step(0, 0)).Message);
    }

    // One epoch: loss terms of all steps, parameters after it (of the path network, gradients of each step), what was said, and the rows of each part.
    private static (double[] Losses, Dictionary<string, double[]> Parameters, List<string> Messages, List<long> Rows) Train(string kind, string[] sets, int[] shortages)
    {
        using var scope = NewDisposeScope();
        var config = s_data.Config([.. sets, "structure.dropout=0", "text.dropout=0", "image.dropout=0", "fusion.dropout=0", "fusion.modality_dropout=0"]);
        using var stage = Create(kind, config, out var model);
        using var _ = model;
        var (messages, rows) = (new List<string>(), new List<long>());
        stage.Message = messages.Add;
        PartsOf(stage).Computing = part =>
        {
            rows.Add(part.Count);
            if (shortages.Contains(rows.Count - 1))
            {
                throw new InvalidOperationException("CUDA out of memory. Tried to allocate 2.00 GiB.");
            }
        };
        var losses = new List<double>();
        var gradients = new Dictionary<string, double[]>();
        var steps = stage.BeginEpoch(0, new SplitMix64(1));
        model.train();
        for (var step = 0; step < steps; step++)
        {
            losses.AddRange(Flat(stage.Step(0, step)));
            foreach (var (name, parameter) in model.named_parameters().Where(entry => kind == "paths" && entry.parameter.grad is not null))
            {
                gradients.Add($"{name}, step {step}", Flat(parameter.grad!));
            }
        }

        return ([.. losses], kind == "paths" ? gradients : model.state_dict().ToDictionary(entry => entry.Key, entry => Flat(entry.Value)), messages, rows);
    }

    private static BatchParts PartsOf(Stage stage) => stage switch
    {
        FusionStage fusion => fusion.BalanceParts,
        PathStage paths => paths.Parts,
        _ => ((UnimodalStage)stage).Parts,
    };

    private static Stage Create(string kind, MoodleConfig config, out MultimodalModel model)
    {
        manual_seed(3);
        EntityFeatures Features(int every) => new(randn(TinyGraph.Entities / every, 6), [.. Enumerable.Range(0, TinyGraph.Entities / every).Select(i => i * every)], TinyGraph.Entities);
        var features = new Dictionary<Modality, EntityFeatures> { [Modality.Text] = Features(2), [Modality.Image] = Features(3) };
        model = new MultimodalModel(config, TinyGraph.Entities, 5, features, facts: s_graph.Train);
        Scramble(model, 0.3);
        TrainingQueries QueriesOf(ImmutableArray<Triple> triples) => TrainingQueries.Build(TinyGraph.Entities, 5, triples);
        var (queries, validator) = (QueriesOf(s_graph.Train), new Validator(s_graph, config));
        return kind == "paths"
            ? new PathStage(config.Paths, model, queries, validator, CPU)
            : kind == "fusion"
            ? new FusionStage(
                config, model, model.FusionModule!, queries, QueriesOf(s_graph.Validation), KnownAnswers.Build(TinyGraph.Entities, 5, s_graph.Train, s_graph.Validation), validator, CPU)
            : new UnimodalStage(config, model, queries, validator, CPU, kind == "refit" ? new FusedVectorTask(config, model, model.FusionModule!, queries, CPU) : null);
    }
}
