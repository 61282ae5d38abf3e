using Moodle.Attention;
using Moodle.Tests.Support;
using TorchSharp;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Attention;

[TestClass]
public sealed class AnchorAttentionTests
{
    private const int Heads = 2;

    private static readonly AnchorAttentionOptions s_small = new() { Block = 4, Step = 2, Init = 3, Local = 2, Theta = 1, Implementation = AttentionImplementation.Cpu };

    // (lengths of packed sequences, size of a head, options)
    private static IEnumerable<(int[] Lengths, int Size, AnchorAttentionOptions Options)> Settings(int count)
    {
        var random = new Random(7);
        for (var i = 0; i < count; i++)
        {
            int[] lengths = [.. Enumerable.Range(0, 1 + random.Next(3)).Select(_ => 1 + random.Next(48))];
            yield return (lengths, 8 * (1 + random.Next(2)), new AnchorAttentionOptions
            {
                Block = 1 + random.Next(6),
                Step = 1 + random.Next(4),
                Init = random.Next(6),
                Local = random.Next(6),
                Causal = i % 2 == 0,
            });
        }
    }

    [NoTensorLeak]
    [DataRow(AttentionImplementation.Reference, ScalarType.Float64, 1e-10)]
    [DataRow(AttentionImplementation.Cpu, ScalarType.Float64, 1e-10)]
    [DataRow(AttentionImplementation.Cpu, ScalarType.Float32, 2e-6)]
    [DataRow(AttentionImplementation.Auto, ScalarType.Float32, 2e-6)]
    public void AnyTheta_EqualsTheDefinition_WithAllGradients(AttentionImplementation implementation, ScalarType type, double tolerance)
    {
        manual_seed(3);
        foreach (var (lengths, size, setting) in Settings(16))
        {
            using var scope = NewDisposeScope();
            var sequences = new PackedSequences(lengths);
            var (inputs, grad) = Inputs(sequences.Tokens, size, type);
            // Auto takes dense attention for what is so short.
            var options = setting with { Theta = implementation == AttentionImplementation.Auto ? double.PositiveInfinity : Theta(setting, inputs, sequences) };
            var output = new AnchorAttention(options with { Implementation = implementation }).Attend(inputs[0], inputs[1], inputs[2], sequences);
            var gradients = autograd.grad([output], inputs, [grad]);
            var expected = Expected(options, inputs, grad, sequences);
            Assert.AreEqual(type, output.dtype);
            foreach (var (name, number, found) in new[] { ("output", 0, output), ("dq", 1, gradients[0]), ("dk", 2, gradients[1]), ("dv", 3, gradients[2]) })
            {
                CollectionAssert.AreEqual(inputs[0].shape, found.shape);
                Assert.IsLessThan(tolerance, Distance(expected[number], found), $"{name} of {options}, {string.Join(' ', lengths)}");
            }
        }
    }

    [NoTensorLeak]
    [DataRow(ScalarType.BFloat16)]
    [DataRow(ScalarType.Float16)]
    public void SixteenBits_AreNotWorseThanTwiceLibtorchsOwn(ScalarType type)
    {
        manual_seed(4);
        foreach (var (_, _, setting) in Settings(4))
        {
            using var scope = NewDisposeScope();
            var sequences = new PackedSequences([100]);
            var (inputs, grad) = Inputs(100, 64, type);
            var options = setting with { Implementation = AttentionImplementation.Cpu, Theta = Theta(setting, inputs, sequences) };
            var expected = Expected(options, inputs, grad, sequences);
            var output = new AnchorAttention(options).Attend(inputs[0], inputs[1], inputs[2], sequences);
            var gradients = autograd.grad([output], inputs, [grad]);

            var mask = stack(Brutes(options, inputs, sequences)[0].Select(brute => tensor(brute.Attended.SelectMany(row => row).ToArray()).view(100, 100)).ToArray()).unsqueeze(0);
            Tensor[] own = Array.ConvertAll(inputs, x => x.detach().transpose(0, 1).unsqueeze(0).requires_grad_(true));
            var theirs = nn.functional.scaled_dot_product_attention(own[0], own[1], own[2], mask);
            var theirGradients = autograd.grad([theirs], own, [grad.transpose(0, 1).unsqueeze(0)]);
            Tensor Back(Tensor x) => x.squeeze(0).transpose(0, 1);
            Tensor[] ours = [output, .. gradients], peers = [Back(theirs), .. theirGradients.Select(Back)];
            for (var i = 0; i < 4; i++)
            {
                Assert.IsLessThan(2 * Distance(expected[i], peers[i]), Distance(expected[i], ours[i]), $"{i} of {options}");
            }
        }
    }

    [NoTensorLeak]
    [DataRow(false)]
    [DataRow(true)]
    public void InfiniteTheta_IsDense(bool causal)
    {
        using var scope = NewDisposeScope();
        manual_seed(5);
        foreach (var (type, tolerance) in new[] { (ScalarType.Float64, 1e-10), (ScalarType.Float32, 2e-6) })
        {
            var q = randn(2, 3, 700, 32, dtype: type);
            var (k, v) = (randn_like(q), randn_like(q));
            var dense = nn.functional.scaled_dot_product_attention(q, k, v, is_casual: causal);
            foreach (var implementation in new[] { AttentionImplementation.Cpu, AttentionImplementation.Reference, AttentionImplementation.Auto })
            {
                var options = new AnchorAttentionOptions { Block = 32, Init = 5, Local = 7, Theta = double.PositiveInfinity, Causal = causal, Implementation = implementation };
                Assert.IsLessThan(tolerance, Distance(Flat(dense), new AnchorAttention(options).Attend(q, k, v)), $"{implementation} {type}");
            }
        }
    }

    [NoTensorLeak]
    public void BatchAndPacked_Agree()
    {
        using var scope = NewDisposeScope();
        manual_seed(6);
        var q = randn(3, Heads, 40, 8);
        var (k, v) = (randn_like(q), randn_like(q));
        Tensor Packed(Tensor x) => x.transpose(1, 2).reshape(120, Heads, 8);
        foreach (var implementation in new[] { AttentionImplementation.Cpu, AttentionImplementation.Reference, AttentionImplementation.Auto })
        {
            var attention = new AnchorAttention(s_small with { Implementation = implementation });
            AreClose(Flat(Packed(attention.Attend(q, k, v))), attention.Attend(Packed(q), Packed(k), Packed(v), new PackedSequences([40, 40, 40])));
        }
    }

    [NoTensorLeak]
    [DataRow(false)]
    [DataRow(true)]
    public void Gradients_AreFiniteDifferences(bool causal)
    {
        using var scope = NewDisposeScope();
        manual_seed(8);
        var sequences = new PackedSequences([21, 5]);
        var (inputs, grad) = Inputs(26, 8, ScalarType.Float64);
        var options = s_small with { Causal = causal, Theta = Theta(s_small with { Causal = causal }, inputs, sequences) };
        var attention = new AnchorAttention(options);
        var gradients = autograd.grad([attention.Attend(inputs[0], inputs[1], inputs[2], sequences)], inputs, [grad]);
        using var none = no_grad();
        const double step = 1e-6;
        foreach (var (input, gradient) in inputs.Zip(gradients))
        {
            var (flat, expected) = (input.detach().view(-1), Flat(gradient));
            for (var i = 0; i < expected.Length; i += 7)
            {
                using var inner = NewDisposeScope();
                double Shifted(double by)
                {
                    flat[i].add_(by);
                    var sum = (attention.Attend(inputs[0], inputs[1], inputs[2], sequences) * grad).sum().ToDouble();
                    flat[i].sub_(by);
                    return sum;
                }

                Assert.AreEqual((Shifted(step) - Shifted(-step)) / (2 * step), expected[i], 1e-7);
            }
        }
    }

    [NoTensorLeak]
    public void EveryRow_IsWritten()
    {
        manual_seed(9);
        for (var n = 1; n < 40; n++)
        {
            foreach (var causal in new[] { false, true })
            {
                using var scope = NewDisposeScope();
                // Values of one: so is every row, whatever it attends to.
                var (q, k, v) = (randn(n, Heads, 8), randn(n, Heads, 8), ones(n, Heads, 8));
                var options = s_small with { Block = 1 + (n % 5), Causal = causal, Theta = double.NegativeInfinity, Init = n % 3 };
                AreClose(Flat(v), new AnchorAttention(options).Attend(q, k, v, new PackedSequences([n])));
            }
        }
    }

    [NoTensorLeak]
    public void NumbersThatAreNotFinite_ShowWhereTheyShowInDenseAttention()
    {
        var random = new Random(10);
        foreach (var bad in new[] { double.NaN, double.PositiveInfinity, double.NegativeInfinity })
        {
            foreach (var causal in new[] { false, true })
            {
                for (var which = 0; which < 3; which++)
                {
                    using var scope = NewDisposeScope();
                    manual_seed(which);
                    Tensor[] inputs = [randn(1, 1, 60, 8), randn(1, 1, 60, 8), randn(1, 1, 60, 8)];
                    inputs[which][0, 0, random.Next(60), random.Next(8)].fill_(bad);
                    var dense = nn.functional.scaled_dot_product_attention(inputs[0], inputs[1], inputs[2], is_casual: causal);
                    var sparse = new AnchorAttention(s_small with { Causal = causal, Theta = 0.5 }).Attend(inputs[0], inputs[1], inputs[2]);
                    string Kinds(Tensor x) => string.Concat(Flat(x).Select(number => double.IsFinite(number) ? '.' : double.IsNaN(number) ? 'n' : number > 0 ? '+' : '-'));
                    Assert.AreEqual(Kinds(dense), Kinds(sparse), $"{bad} in {"qkv"[which]}, causal {causal}");
                }
            }
        }
    }

    [NoTensorLeak]
    public void WrongTensors_AreRefused()
    {
        using var scope = NewDisposeScope();
        var attention = new AnchorAttention();
        void Refused(Action call, string words) => Assert.Contains(words, Assert.ThrowsExactly<ArgumentException>(call).Message);
        var x = zeros(1, 2, 5, 8);
        Refused(() => attention.Attend(x, x, zeros(1, 2, 6, 8)), "value has shape [1, 2, 6, 8]; expected [batch, heads, n, d]");
        Refused(() => attention.Attend(x[0], x[0], x[0]), "expected [batch, heads, n, d]");
        Refused(() => attention.Attend(x, x.to(ScalarType.Float64), x), "key is of type Float64");
        var whole = x.to(ScalarType.Int32);
        Refused(() => attention.Attend(whole, whole, whole), "Float32, Float64, BFloat16 or Float16");
        foreach (var size in new[] { 12, 136 })
        {
            var wide = zeros(1, 2, 5, size);
            var blocked = new AnchorAttention(new AnchorAttentionOptions { Implementation = AttentionImplementation.Cpu });
            Refused(() => blocked.Attend(wide, wide, wide), $"heads of size {size}; expected a multiple of 8 up to 128");
            Assert.AreEqual(wide.shape[3], attention.Attend(wide, wide, wide).shape[3], "dense takes any size");
        }

        var packed = zeros(5, 2, 8);
        Refused(() => attention.Attend(packed, packed, packed, new PackedSequences([3, 3])), "5 tokens, the sequences 6");
        var empty = zeros(0, 2, 8);
        Refused(() => attention.Attend(empty, empty, empty, new PackedSequences([1])), "nothing empty");
    }

    [NoTensorLeak]
    public void Auto_TakesDenseAttention_WhereItIsFaster()
    {
        using var scope = NewDisposeScope();
        manual_seed(11);
        var options = new AnchorAttentionOptions { Theta = 6 };
        var auto = new AnchorAttention(options);
        Assert.IsTrue(auto.IsDense(AutoChoice.ShortestSparse - 1));
        Assert.IsFalse(auto.IsDense(AutoChoice.ShortestSparse));
        Assert.IsTrue(new AnchorAttention(options with { Implementation = AttentionImplementation.Cpu, Local = 9999 }).IsDense(10000), "all inside the anchor region");

        var n = AutoChoice.ShortestSparse;
        var (q, k, v) = (randn(1, 1, n, 16), randn(1, 1, n, 16), randn(1, 1, n, 16));
        Assert.AreEqual(1, auto.Measure(q, k, v, times: false).Density, "everything would be selected");
        // Two keys with logits of about 30: nothing else matters.
        q.narrow(3, 15, 1).fill_(30);
        k.narrow(3, 15, 1).zero_().narrow(2, 0, 2).fill_(4);
        var found = auto.Measure(q, k, v, times: false);
        Assert.IsLessThan(0.3, found.Density);
        Assert.IsGreaterThan(0.99, found.Recall);
    }

    [NoTensorLeak]
    [DataRow(false)]
    [DataRow(true)]
    public void Statistics_AreThoseOfTheDefinition(bool causal)
    {
        using var scope = NewDisposeScope();
        manual_seed(12);
        var sequences = new PackedSequences([45, 30]);
        var (inputs, _) = Inputs(75, 8, ScalarType.Float64);
        var setting = s_small with { Causal = causal };
        var options = setting with { Theta = Theta(setting, inputs, sequences) };
        var found = new AnchorAttention(options).Measure(inputs[0], inputs[1], inputs[2], sequences);

        var sparse = Brutes(options, inputs, sequences).SelectMany(heads => heads).ToArray();
        var dense = Brutes(options with { Theta = double.PositiveInfinity }, inputs, sequences).SelectMany(heads => heads).ToArray();
        var pairs = sparse.SelectMany(brute => brute.Pairs.Select(pair => brute.Attended[pair.Row][pair.Key] ? 1.0 : 0)).ToArray();
        var recalls = sparse.Zip(dense).SelectMany(both => both.First.Attended.Zip(both.Second.Probabilities, (taken, p) => taken.Zip(p, (t, mass) => t ? mass : 0).Sum())).Order().ToArray();
        double Norm(Func<int, int, int, double> at) => Math.Sqrt(Enumerable.Range(0, sparse.Length).Sum(h =>
            sparse[h].Output.Select((row, i) => row.Select((_, c) => Math.Pow(at(h, i, c), 2)).Sum()).Sum()));
        Assert.AreEqual(pairs.Average(), found.Density, 1e-12);
        Assert.AreEqual(recalls.Average(), found.Recall, 1e-6);
        Assert.AreEqual(recalls[(int)(0.05 * (recalls.Length - 1))], found.LowRecall, 1e-6);
        Assert.AreEqual(Norm((h, i, c) => sparse[h].Output[i][c] - dense[h].Output[i][c]) / Norm((h, i, c) => dense[h].Output[i][c]), found.RelativeError, 1e-9);
        foreach (var times in new[] { found.Forward!, found.Backward! })
        {
            Assert.IsTrue(times.Anchor > TimeSpan.Zero && times.Sparse > TimeSpan.Zero && times.Dense > TimeSpan.Zero);
        }
    }

    // q, k and v of [tokens, heads, d] and the gradient of the output.
    private static (Tensor[] Inputs, Tensor Grad) Inputs(int tokens, int size, ScalarType type) =>
        ([.. Enumerable.Range(0, 3).Select(_ => randn(tokens, Heads, size, dtype: ScalarType.Float64).to(type).requires_grad_(true))],
            randn(tokens, Heads, size, dtype: ScalarType.Float64).to(type));

    private static BruteAttention[][] Brutes(AnchorAttentionOptions options, Tensor[] inputs, PackedSequences sequences) =>
    [
        .. Enumerable.Range(0, sequences.Count).Select(s => Enumerable.Range(0, Heads).Select(h =>
        {
            using var scope = NewDisposeScope();
            Tensor Part(int i) => inputs[i].detach().narrow(0, sequences.Offsets[s], sequences.Lengths[s]).select(1, h);
            return new BruteAttention(options, Part(0), Part(1), Part(2));
        }).ToArray()),
    ];

    // A threshold in the middle of the scores, away from all of them.
    private static double Theta(AnchorAttentionOptions options, Tensor[] inputs, PackedSequences sequences)
    {
        var scores = Brutes(options, inputs, sequences).SelectMany(heads => heads).SelectMany(brute => brute.AllScores()).Order().ToArray();
        var middle = scores.Skip(scores.Length / 4).Take(Math.Max(2, scores.Length / 2)).ToArray();
        return middle.Length < 2 ? 1 : middle.Zip(middle[1..]).MaxBy(pair => pair.Second - pair.First) is var (low, high) ? (low + high) / 2 : 0;
    }

    // Output and gradients of q, k and v, in the order of [tokens, heads, d].
    private static double[][] Expected(AnchorAttentionOptions options, Tensor[] inputs, Tensor grad, PackedSequences sequences)
    {
        var size = (int)inputs[0].shape[2];
        var expected = Enumerable.Range(0, 4).Select(_ => new double[sequences.Tokens * Heads * size]).ToArray();
        var brutes = Brutes(options, inputs, sequences);
        for (var s = 0; s < sequences.Count; s++)
        {
            for (var h = 0; h < Heads; h++)
            {
                using var scope = NewDisposeScope();
                var brute = brutes[s][h];
                var (dq, dk, dv) = brute.Gradients(grad.narrow(0, sequences.Offsets[s], sequences.Lengths[s]).select(1, h));
                foreach (var (to, from) in expected.Zip([brute.Output, dq, dk, dv]))
                {
                    for (var i = 0; i < from.Length; i++)
                    {
                        from[i].CopyTo(to, (((sequences.Offsets[s] + i) * Heads) + h) * size);
                    }
                }
            }
        }

        return expected;
    }

    private static double Distance(double[] expected, Tensor found)
    {
        var numbers = Flat(found);
        Assert.HasCount(expected.Length, numbers);
        return Math.Sqrt(expected.Zip(numbers, (a, b) => (a - b) * (a - b)).Sum() / expected.Sum(a => a * a));
    }
}
