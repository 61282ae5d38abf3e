using Moodle.Configuration;
using Moodle.Models;
using Moodle.Models.Cuda;
using Moodle.Tests.Support;
using TorchSharp;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Models;

[TestClass]
[TestCategory("Gpu")]
public sealed class TrainingKernelTests
{
    private const int Entities = 83;
    private const int Relations = 5;

    [TestInitialize]
    public void Require() => AnyGpu.Require();

    // Ranks above and below a block of threads, which take four numbers at a time where they can; with a modality that some entities lack; N3, relation prediction, smoothing and what a guide adds.
    [TestMethod]
    [DataRow(7, false, 0.0, 0.0, 0.0)]
    [DataRow(300, false, 0.1, 0.0, 0.2)]
    [DataRow(300, false, 0.0, 0.7, 0.0)]
    [DataRow(33, true, 0.1, 0.7, 0.1)]
    [DataRow(1028, true, 0.1, 0.7, 0.1)]
    public void AStep_IsTheOperationsStep(int rank, bool features, double n3, double relationWeight, double smoothing)
    {
        using var scope = NewDisposeScope();
        var config = new BranchConfig { Rank = rank, InitScale = 0.3, N3 = n3, RelationWeight = relationWeight };
        var others = randn(40, Entities);
        var (onCpu, lossesOnCpu, gradientsOnCpu) = Step(config, features, smoothing, others, CPU);
        var (onGpu, lossesOnGpu, gradientsOnGpu) = Step(config, features, smoothing, others, CUDA);
        Assert.IsInstanceOfType<RecordedStep>(onCpu);
        Assert.IsInstanceOfType<ComplExStep>(onGpu);
        AreClose(lossesOnCpu, tensor(lossesOnGpu), 1e-4, "losses");
        foreach (var (name, gradient) in gradientsOnCpu)
        {
            AreClose(gradient, tensor(gradientsOnGpu[name]), 2e-4, name);
        }
    }

    private static (BranchStep Step, double[] Losses, Dictionary<string, double[]> Gradients) Step(
        BranchConfig config, bool features, double smoothing, Tensor others, Device device)
    {
        manual_seed(5);
        var present = Enumerable.Range(0, Entities).Where(entity => entity % 3 != 0).ToArray();
        var given = features ? new EntityFeatures(randn(present.Length, 11), present, Entities).To(device) : null;
        var branch = new Branch(features ? Modality.Text : Modality.Structure, config, Entities, Relations, given);
        branch.to(device);
        var random = new Random(6);
        var batch = Batches.Of([.. Enumerable.Range(0, 40).Select(_ => (random.Next(Entities), random.Next(2 * Relations),
            Enumerable.Range(0, Entities).OrderBy(_ => random.Next()).Take(1 + random.Next(9)).Select(entity => (entity, 1 + random.Next(2))).ToArray()))]);
        batch = batch with
        {
            Heads = batch.Heads.to(device),
            Relations = batch.Relations.to(device),
            Weights = batch.Weights.to(device),
            AnswerRows = batch.AnswerRows.to(device),
            Answers = batch.Answers.to(device),
            AnswerWeights = batch.AnswerWeights.to(device),
        };
        var step = branch.Train(branch.Candidates(), batch, smoothing);
        var (factor, terms) = (tensor(0.6f, device: device), new[] { step.Norm, step.Relations }.OfType<Tensor>().ToArray());
        var losses = (double[])[.. Flat(step.Losses), .. terms.SelectMany(Flat)];
        var roots = step.Roots(factor, others.to(device)).Concat(terms.Where(term => term.requires_grad).Select(term => (Root: term, Gradient: factor))).ToArray();
        autograd.backward([.. roots.Select(root => root.Root)], [.. roots.Select(root => root.Gradient)]);
        return (step, losses, branch.named_parameters().ToDictionary(entry => entry.name, entry => Flat(entry.parameter.grad!)));
    }
}
