using Moodle.Runtime;
using Moodle.Tests.Support;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Tests.Runtime;

/// <summary>Against the update rules in float64, written out here.</summary>
[TestClass]
public sealed class ParameterOptimizerTests
{
    private const int Steps = 20;

    // A schedule with warm-up and decay.
    private static double LearningRate(int step) => 0.1 * Math.Min(1, step / 5.0) * Math.Pow(0.9, step);

    [NoTensorLeak]
    [DataRow(true, 0.0)]
    [DataRow(true, 0.05)]
    [DataRow(false, 0.0)]
    [DataRow(false, 0.05)]
    public void Adagrad_FollowsTheRule(bool fused, double weightDecay) => Compare(
        parameters => new FusedAdagrad(parameters, weightDecay, 1e-10, fused),
        () =>
        {
            var sum = 0.0;
            return (step, value, gradient) =>
            {
                gradient += weightDecay * value;
                sum += gradient * gradient;
                return value - LearningRate(step) * gradient / (Math.Sqrt(sum) + 1e-10);
            };
        });

    [NoTensorLeak]
    [DataRow(0.0)]
    [DataRow(0.1)]
    public void AdamW_FollowsTheRule(double weightDecay) => Compare(
        parameters => new FusedAdamW(parameters, weightDecay),
        () =>
        {
            var (mean, square) = (0.0, 0.0);
            return (step, value, gradient) =>
            {
                value *= 1 - LearningRate(step) * weightDecay;
                mean = 0.9 * mean + 0.1 * gradient;
                square = 0.999 * square + 0.001 * gradient * gradient;
                var root = Math.Sqrt(square / (1 - Math.Pow(0.999, step))) + 1e-8;
                return value - LearningRate(step) * mean / (1 - Math.Pow(0.9, step)) / root;
            };
        });

    [TestMethod]
    public void Adagrad_IsFusedOnTheCpu() => Assert.AreEqual("fused", FusedAdagrad.Choose(CPU));

    [NoTensorLeak]
    [TestCategory("Gpu")]
    [DataRow(true)]
    [DataRow(false)]
    public void OnAGpu_TheResultIsTheCpus(bool adagrad)
    {
        AnyGpu.Require();
        Console.WriteLine($"adagrad on this GPU: {FusedAdagrad.Choose(CUDA)}");
        CollectionAssert.AreEqual(Run(CPU), Run(CUDA), Comparer<float>.Create((x, y) => Math.Abs(x - y) < 1e-6 ? 0 : 1));

        float[] Run(Device device)
        {
            using var scope = NewDisposeScope();
            manual_seed(1);
            var parameter = new Parameter(randn(50).to(device));
            using ParameterOptimizer optimizer = adagrad ? new FusedAdagrad([("p", parameter)]) : new FusedAdamW([("p", parameter)]);
            for (var step = 1; step <= Steps; step++)
            {
                (parameter * parameter).sum().backward();
                Gradients.ClipNorm([parameter], 1);
                optimizer.Step(LearningRate(step));
                optimizer.ZeroGrad();
            }
            return parameter.detach().cpu().data<float>().ToArray();
        }
    }

    [NoTensorLeak]
    [DataRow(true)]
    [DataRow(false)]
    public void State_ResumesExactly(bool adagrad)
    {
        using var scope = NewDisposeScope();
        using var folder = TestData.NewFolder();
        var parameter = new Parameter(randn(4));
        using var whole = Make(parameter, adagrad);
        Train(parameter, whole, 1, 5);
        Safetensors.Write(folder["state"], whole.State());
        var resumedParameter = new Parameter(parameter.detach().clone());
        using var resumed = Make(resumedParameter, adagrad);
        using (var file = Safetensors.Open(folder["state"]))
        {
            resumed.Load(file.Names.ToDictionary(name => name, file.Read));
        }
        Train(parameter, whole, 6, Steps);
        Train(resumedParameter, resumed, 6, Steps);
        CollectionAssert.AreEqual(parameter.detach().data<float>().ToArray(), resumedParameter.detach().data<float>().ToArray());
        CollectionAssert.Contains(whole.State().Keys.ToArray(), "p.step");
    }

    [NoTensorLeak]
    public void Load_RefusesAStateThatDoesNotFit()
    {
        using var scope = NewDisposeScope();
        using var optimizer = Make(new Parameter(zeros(4)), adagrad: true);
        Assert.Contains("p.", Assert.ThrowsExactly<InputException>(() => optimizer.Load(new Dictionary<string, Tensor>())).Message);
        var wrong = new Dictionary<string, Tensor>(optimizer.State()) { ["p.sum"] = zeros(5) };
        Assert.Contains("\"p.sum\" is Float32 [5]", Assert.ThrowsExactly<InputException>(() => optimizer.Load(wrong)).Message);
    }

    [NoTensorLeak]
    public void ParametersWithoutGradient_AreSkipped()
    {
        using var scope = NewDisposeScope();
        var (used, unused) = (new Parameter(ones(2)), new Parameter(ones(2)));
        using var optimizer = new FusedAdagrad([("used", used), ("unused", unused)], weightDecay: 0.5);
        optimizer.Step(0.1);
        used.sum().backward();
        optimizer.Step(0.1);
        optimizer.ZeroGrad();
        Assert.IsNull(used.grad);
        Assert.AreEqual(1f, unused[0].item<float>());
        Assert.AreNotEqual(1f, used[0].item<float>());
        Assert.AreEqual(0f, optimizer.State()["unused.step"].item<float>());
        Assert.AreEqual(1f, optimizer.State()["used.step"].item<float>());
    }

    [NoTensorLeak]
    public void MixedTypes_AreRefused()
    {
        using var scope = NewDisposeScope();
        (string, Parameter)[] mixed = [("a", new Parameter(zeros(1))), ("b", new Parameter(zeros(1, dtype: ScalarType.Float64)))];
        Assert.Contains("parameter b", Assert.ThrowsExactly<ArgumentException>(() => new FusedAdagrad(mixed)).Message);
    }

    [NoTensorLeak]
    [DataRow(1.0)]
    [DataRow(1000.0)]
    public void ClipNorm_ScalesOnlyLongGradients(double bound)
    {
        using var scope = NewDisposeScope();
        Parameter[] parameters = [new Parameter(zeros(2)), new Parameter(zeros(1)), new Parameter(zeros(3))];
        (parameters[0] * tensor(new[] { 3f, 4f })).sum().backward();
        (parameters[1] * 12f).sum().backward();
        var norm = Gradients.ClipNorm(parameters, bound);
        Assert.AreEqual(13f, norm.item<float>(), 1e-5f);
        var scale = (float)Math.Min(1, bound / 13);
        Assert.AreEqual(4 * scale, parameters[0].grad![1].item<float>(), 1e-5f);
        Assert.AreEqual(12 * scale, parameters[1].grad![0].item<float>(), 1e-5f);
        Assert.IsNull(parameters[2].grad);
    }

    [NoTensorLeak]
    public void ClipNorm_WithoutGradientsIsZero()
    {
        using var scope = NewDisposeScope();
        Assert.AreEqual(0f, Gradients.ClipNorm([new Parameter(zeros(2))], 1).item<float>());
    }

    private static ParameterOptimizer Make(Parameter parameter, bool adagrad) =>
        adagrad ? new FusedAdagrad([("p", parameter)]) : new FusedAdamW([("p", parameter)]);

    private static void Train(Parameter parameter, ParameterOptimizer optimizer, int from, int to)
    {
        using var scope = NewDisposeScope();
        for (var step = from; step <= to; step++)
        {
            (parameter * parameter).sum().backward();
            optimizer.Step(LearningRate(step));
            optimizer.ZeroGrad();
        }
    }

    /// <summary>Two parameters with prescribed gradients, in torch and by the rule; float32 must stay near float64.</summary>
    private static void Compare(
        Func<IEnumerable<(string, Parameter)>, ParameterOptimizer> make, Func<Func<int, double, double, double>> rule)
    {
        using var scope = NewDisposeScope();
        var random = new SplitMix64(5);
        double[] Draw(int count) => [.. Enumerable.Range(0, count).Select(_ => 2 * random.NextDouble() - 1)];
        double[][] expected = [Draw(6), Draw(4)];
        var rules = expected.Select(values => values.Select(_ => rule()).ToArray()).ToArray();
        Parameter[] parameters =
        [
            new Parameter(tensor(expected[0], ScalarType.Float32).reshape(2, 3)),
            new Parameter(tensor(expected[1], ScalarType.Float32)),
        ];
        using var optimizer = make([("a", parameters[0]), ("b", parameters[1])]);
        for (var step = 1; step <= Steps; step++)
        {
            for (var p = 0; p < 2; p++)
            {
                var gradient = Draw(expected[p].Length);
                parameters[p].grad = tensor(gradient, ScalarType.Float32).reshape(parameters[p].shape);
                for (var i = 0; i < gradient.Length; i++)
                {
                    expected[p][i] = rules[p][i](step, expected[p][i], gradient[i]);
                }
            }
            optimizer.Step(LearningRate(step));
        }
        for (var p = 0; p < 2; p++)
        {
            var actual = parameters[p].detach().data<float>().ToArray();
            for (var i = 0; i < actual.Length; i++)
            {
                Assert.AreEqual(expected[p][i], actual[i], 2e-6, $"parameter {p}, element {i}");
            }
        }
    }
}
