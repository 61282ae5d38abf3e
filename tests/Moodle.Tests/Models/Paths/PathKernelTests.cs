using Moodle.Models.Paths;
using Moodle.Tests.Support;
using TorchSharp;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Models.Paths;

[TestClass]
[TestCategory("Gpu")]
public sealed class PathKernelTests
{
    private const int Relations = PathInputs.Relations;

    [TestInitialize]
    public void Require() => AnyGpu.Require();

    // Columns below, at and above a warp's 256; with and without hidden edges; states everywhere, or at heads alone. Inputs are numbers of bfloat16, so that both sides
    // see the same.
    [TestMethod]
    [DataRow(32, 1, true, false)]
    [DataRow(32, 3, false, false)]
    [DataRow(32, 8, true, false)]
    [DataRow(64, 16, true, false)]
    [DataRow(32, 64, false, false)]
    [DataRow(40, 13, true, false)]
    [DataRow(32, 3, true, true)]
    [DataRow(32, 64, true, true)]
    [DataRow(40, 13, false, true)]
    [DataRow(256, 3, true, true)]
    public void Kernels_SayWhatTheOperationsSay(int size, int queries, bool hides, bool atHeads)
    {
        using var scope = NewDisposeScope();
        manual_seed(7);
        using var onCpu = PathInputs.Graph(CPU);
        using var onGpu = PathInputs.Graph(CUDA);
        Assert.IsTrue(PathKernels.Fit(onGpu, size));
        var inputs = new PathInputs(onCpu.EntityCount, size, queries, atHeads);
        var expected = inputs.Run(onCpu, ScalarType.Float32, ScalarType.Float32, hides);
        // What the kernels leave unwritten shows.
        using (var poison = full([64 << 20], float.NaN, device: CUDA))
        {
        }

        var actual = inputs.Run(onGpu, ScalarType.BFloat16, ScalarType.Float32, hides);
        string[] names = ["mean, max, min, std", "states' gradient", "relations' gradient", "queries' gradient"];
        for (var i = 0; i < names.Length; i++)
        {
            var (should, has) = (expected[i].to(ScalarType.Float64), actual[i].cpu().to(ScalarType.Float64));
            Assert.IsTrue(has.isfinite().all().item<bool>(), names[i]);
            var error = ((should - has).square().mean() / should.square().mean()).sqrt().item<double>();
            // A query's own message is one number, and where it stands out its gradient is made of the rounded mean's distance to it.
            Assert.IsLessThan(i == 0 ? 0.003 : i == 3 ? 0.02 : 0.006, error, names[i]);
        }

        var (output, other) = (expected[0].view(-1, 4, size), actual[0].cpu().to(ScalarType.Float32).view(-1, 4, size));
        for (var part = 0; part < 4; part++)
        {
            Assert.IsTrue(other.select(1, part).allclose(output.select(1, part), 0.005, 0.003), $"aggregate {part}");
        }
    }

    [TestMethod]
    [DataRow(32, 3)]
    [DataRow(64, 2)]
    [DataRow(40, 2)] // no kernel updates states of this size
    public void TheNetwork_AnswersAsOnTheCpu(int size, int layers)
    {
        using var scope = NewDisposeScope();
        manual_seed(8);
        var (heads, relations) = (randint(400, [16], ScalarType.Int64), randint(2 * Relations, [16], ScalarType.Int64));
        using var network = new PathNetwork(size, layers, 0, Relations);
        var factors = randn(16, 3400);
        var (expected, expectedGradients) = Answer(CPU);
        var (actual, gradients) = Answer(CUDA);
        Assert.IsGreaterThan(0.999, Cosine(expected - expected.mean(), actual - actual.mean()), "logits");
        foreach (var (name, gradient) in expectedGradients)
        {
            // Rounded states have other maxima here and there, and other numbers above zero: the deeper, the more; a bias' gradient is a sum over all entities that nearly cancels.
            Assert.IsGreaterThan(name.EndsWith("bias", StringComparison.Ordinal) ? 0.95 : 0.97, Cosine(gradient, gradients[name]), name);
        }

        Tensor Whole(Dictionary<string, Tensor> parts) => cat([.. expectedGradients.Keys.Select(name => parts[name].flatten())], 0);
        Assert.IsGreaterThan(0.99, Cosine(Whole(expectedGradients), Whole(gradients)), "gradient");

        (Tensor Logits, Dictionary<string, Tensor> Gradients) Answer(Device device)
        {
            network.to(device);
            network.zero_grad();
            using var graph = PathInputs.Graph(device);
            var hidden = graph.Hide(heads.to(device), relations.to(device), relations.to(device));
            var logits = network.Forward(graph, heads.to(device), relations.to(device), hidden);
            Assert.AreEqual(ScalarType.Float32, logits.dtype);
            (logits * factors.to(device)).sum().backward();
            return (logits.detach().cpu(), network.named_parameters().ToDictionary(entry => entry.name, entry => entry.parameter.grad!.cpu()));
        }
    }

    // The norm's bias is so high that nothing but what is dropped stays as it was.
    [TestMethod]
    public void Dropout_DropsItsShare_AndTheGradientTheSame()
    {
        using var scope = NewDisposeScope();
        manual_seed(9);
        using var graph = PathInputs.Graph(CUDA);
        var rows = graph.EntityCount * 3L;
        Tensor Draw(long columns) => randn([rows, columns], ScalarType.BFloat16, CUDA);
        var (own, parts, states) = (Draw(32), Draw(96), Draw(32));
        PathUpdate Update(long seed) => new(ones(32, device: CUDA), full([32], 9f, device: CUDA), graph.Scales(null), tensor([seed], device: CUDA), 65536 / 4);
        var (next, normal, roots) = Update(5).Forward(own, parts, states, true);
        var kept = (next - states).ne(0).to(ScalarType.Float32);
        Assert.AreEqual(0.75, kept.mean().item<float>(), 0.005);
        Assert.AreEqual(9 / 0.75, ((next - states).to(ScalarType.Float32).sum() / kept.sum()).item<float>(), 0.02);
        var (toOwn, _, vectors) = Update(5).Backward(ones_like(next), normal!, roots!);
        AreClose(Flat(kept.sum([0]) / 0.75), vectors.select(0, 1), 1e-3, "bias");
        var inRows = toOwn.to(ScalarType.Float64);
        Assert.IsLessThan(1e-3 * inRows.abs().sum().item<double>(), (inRows.sum([0]) - vectors.select(0, 2)).abs().sum().item<double>(), "what is added to every row");
        Assert.IsTrue(next.equal(Update(5).Forward(own, parts, states, false).States).all().item<bool>());
        Assert.IsFalse(next.equal(Update(6).Forward(own, parts, states, false).States).all().item<bool>());
    }

    // Autograd asks for gradients on a thread of its own; what it was handed last may stay until it asks again.
    [TestMethod]
    public void AStep_LeavesNoTensorBehind()
    {
        using var scope = NewDisposeScope();
        using var graph = PathInputs.Graph(CUDA);
        using var network = new PathNetwork(32, 2, 0.1, Relations);
        network.to(CUDA);
        var (heads, relations) = (zeros(4, ScalarType.Int64, CUDA), zeros(4, ScalarType.Int64, CUDA));
        long Left()
        {
            using (NewDisposeScope())
            {
                network.Forward(graph, heads, relations, null).sum().backward();
            }

            return Tensor.TotalCount;
        }

        Left();
        var second = Left();
        Assert.IsLessThanOrEqualTo(second, Left());
    }

    private static double Cosine(Tensor a, Tensor b) => nn.functional.cosine_similarity(a.flatten(), b.flatten(), 0).item<float>();
}
