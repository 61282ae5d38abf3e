using Moodle.Attention;
using Moodle.Tests.Support;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Attention;

[TestClass]
public sealed class DenseAttentionTests
{
    private const int Heads = 2;
    private const int Size = 4;
    private static readonly DenseAttention Dense = new();

    [NoTensorLeak]
    [DataRow(1)]
    [DataRow(5)]
    [DataRow(3, 3, 3)]
    [DataRow(1, 4, 4, 2, 4, 1, 1)]
    public void EachSequence_AttendsToItselfOnly(params int[] lengths)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var sequences = new PackedSequences(lengths);
        var (q, k, v) = (Random(sequences), Random(sequences), Random(sequences));
        var result = Dense.Attend(q, k, v, sequences);
        CollectionAssert.AreEqual(new long[] { sequences.Tokens, Heads, Size }, result.shape);
        AreClose(Reference(Flat(q), Flat(k), Flat(v), sequences), result);
    }

    [NoTensorLeak]
    public void Gradients_ReachEveryToken_AndNeverCrossSequences()
    {
        using var scope = NewDisposeScope();
        manual_seed(2);
        var sequences = new PackedSequences([2, 3, 3, 5]);
        for (var s = 0; s < sequences.Count; s++)
        {
            var inputs = Enumerable.Range(0, 3).Select(_ => Random(sequences).requires_grad_(true)).ToArray();
            var output = Dense.Attend(inputs[0], inputs[1], inputs[2], sequences);
            output.narrow(0, sequences.Offsets[s], sequences.Lengths[s]).square().sum().backward();
            foreach (var input in inputs)
            {
                var touched = Flat(input.grad!.abs().sum([1, 2])).Select(size => size > 0).ToArray();
                CollectionAssert.AreEqual(
                    Enumerable.Range(0, sequences.Tokens).Select(token => token >= sequences.Offsets[s] && token < sequences.Offsets[s + 1]).ToArray(), touched);
            }
        }
    }

    [NoTensorLeak]
    public void Gradients_AreThoseOfTheFormula()
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        var sequences = new PackedSequences([2, 3, 3]);
        var inputs = Enumerable.Range(0, 3).Select(_ => Random(sequences).requires_grad_(true)).ToArray();
        var direction = Random(sequences);
        (Dense.Attend(inputs[0], inputs[1], inputs[2], sequences) * direction).sum().backward();

        const double step = 1e-5;
        var numbers = inputs.Select(Flat).ToArray();
        for (var i = 0; i < 3; i++)
        {
            var expected = new double[numbers[i].Length];
            for (var j = 0; j < expected.Length; j++)
            {
                double Shifted(double by)
                {
                    var copies = numbers.Select(values => values.ToArray()).ToArray();
                    copies[i][j] += by;
                    return Dot(Reference(copies[0], copies[1], copies[2], sequences), Flat(direction));
                }

                expected[j] = (Shifted(step) - Shifted(-step)) / (2 * step);
            }

            AreClose(expected, inputs[i].grad!, 1e-4);
        }
    }

    [NoTensorLeak]
    public void AWrongNumberOfTokens_IsRefused()
    {
        using var scope = NewDisposeScope();
        var x = Random(new PackedSequences([3]));
        Assert.Contains("3 tokens", Assert.ThrowsExactly<ArgumentException>(() => Dense.Attend(x, x, x, new PackedSequences([2, 2]))).Message);
    }

    private static Tensor Random(PackedSequences sequences) => randn(sequences.Tokens, Heads, Size);

    private static double[] Reference(double[] q, double[] k, double[] v, PackedSequences sequences)
    {
        var result = new double[q.Length];
        double[] At(double[] x, int token, int head) => x[(((token * Heads) + head) * Size)..(((token * Heads) + head + 1) * Size)];
        for (var s = 0; s < sequences.Count; s++)
        {
            var tokens = Enumerable.Range(sequences.Offsets[s], sequences.Lengths[s]).ToArray();
            foreach (var token in tokens)
            {
                for (var head = 0; head < Heads; head++)
                {
                    var logP = LogSoftmax([.. tokens.Select(other => Dot(At(q, token, head), At(k, other, head)) / Math.Sqrt(Size))]);
                    for (var i = 0; i < Size; i++)
                    {
                        result[(((token * Heads) + head) * Size) + i] = tokens.Select((other, j) => Math.Exp(logP[j]) * At(v, other, head)[i]).Sum();
                    }
                }
            }
        }

        return result;
    }
}
