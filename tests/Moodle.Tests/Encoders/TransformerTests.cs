using Moodle.Attention;
using Moodle.Configuration;
using Moodle.Encoders;
using Moodle.Tests.Support;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Encoders;

/// <summary>Rotary positions and the transformer layer.</summary>
[TestClass]
public sealed class TransformerTests
{
    private const int Size = 8;

    [NoTensorLeak]
    public void RotaryPositions_LetDotProductsDependOnTheDistanceOnly()
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        const int length = 40;
        var rotary = new RotaryPositions(arange(length), Size);
        // The same query and the same key at every position.
        var (q, k) = (randn(1, 2, Size), randn(1, 2, Size));
        var (queries, keys) = (rotary.Apply(q.expand(length, 2, Size)), rotary.Apply(k.expand(length, 2, Size)));
        var products = Rows(queries[TensorIndex.Colon, 1].matmul(keys[TensorIndex.Colon, 1].t())); // [length, length]
        for (var i = 0; i < length; i++)
        {
            for (var j = 0; j < length; j++)
            {
                Assert.AreEqual(i >= j ? products[i - j][0] : products[0][j - i], products[i][j], 1e-4, $"{i}, {j}");
            }
        }

        Assert.AreNotEqual(products[0][1], products[1][0], 1e-3, "before and after differ");
        AreClose([.. Enumerable.Repeat((double)q.norm().item<float>(), length)], queries.flatten(1).norm(1));
        AreClose(Flat(q), queries[0]);
    }

    [NoTensorLeak]
    public void RotaryPositions_TurnByPublishedAngles()
    {
        using var scope = NewDisposeScope();
        var rotary = new RotaryPositions(tensor(new long[] { 7 }), Size);
        var x = Enumerable.Range(1, Size).Select(i => (double)i).ToArray();
        var turned = Flat(rotary.Apply(tensor(x).to(ScalarType.Float32).view(1, 1, Size)));
        for (var i = 0; i < Size / 2; i++)
        {
            var angle = 7 * Math.Pow(10000, -2.0 * i / Size);
            Assert.AreEqual((x[i] * Math.Cos(angle)) - (x[i + 4] * Math.Sin(angle)), turned[i], 1e-4);
            Assert.AreEqual((x[i + 4] * Math.Cos(angle)) + (x[i] * Math.Sin(angle)), turned[i + 4], 1e-4);
        }
    }

    [TestMethod]
    public void TheLayer_KeepsTheShape_AndIsResidual()
    {
        using var scope = NewDisposeScope();
        manual_seed(2);
        var layer = new TransformerLayer(Size, 2, 12, 0.5, new DenseAttention());
        layer.eval();
        var sequences = new PackedSequences([2, 3]);
        var x = randn(5, Size);
        var rotary = new RotaryPositions(tensor(new long[] { 0, 1, 0, 1, 2 }), Size / 2);
        var y = layer.Forward(x, sequences, rotary);
        CollectionAssert.AreEqual(x.shape, y.shape);
        AreClose(Flat(y), layer.Forward(x, sequences, rotary), 0, "no dropout in evaluation");
        layer.train();
        Assert.IsFalse(y.allclose(layer.Forward(x, sequences, rotary)), "dropout while training");
        layer.eval();

        using (no_grad())
        {
            foreach (var name in new[] { "attention_out.weight", "attention_out.bias", "feed_forward_out.weight", "feed_forward_out.bias" })
            {
                Parameter(layer, name).zero_();
            }
        }

        AreClose(Flat(x), layer.Forward(x, sequences, rotary));
    }

    [TestMethod]
    public void TheLayer_InBFloat16_IsTheLayerButForRounding_AndLearnsInFloat32()
    {
        using var scope = NewDisposeScope();
        manual_seed(7);
        var exact = new TransformerLayer(Size, 2, 12, 0, new DenseAttention());
        var rounded = new TransformerLayer(Size, 2, 12, 0, new DenseAttention(), EncoderPrecision.BFloat16);
        rounded.load_state_dict(exact.state_dict());
        var sequences = new PackedSequences([2, 3]);
        var rotary = new RotaryPositions(tensor(new long[] { 0, 1, 0, 1, 2 }), Size / 2);
        var x = randn(5, Size);
        var (y, z) = (exact.Forward(x, sequences, rotary), rounded.Forward(x, sequences, rotary));
        Assert.AreEqual(ScalarType.Float32, z.dtype);
        var away = (y - z).abs().max().item<float>();
        Assert.IsTrue(away is > 0 and < 0.05f, $"{away}");
        y.square().sum().backward();
        z.square().sum().backward();
        foreach (var (one, other) in exact.named_parameters().Zip(rounded.named_parameters()))
        {
            var (expected, actual) = (one.parameter.grad!, other.parameter.grad!);
            Assert.AreEqual(ScalarType.Float32, actual.dtype);
            Assert.IsLessThan(0.05 * (expected.norm().item<float>() + 0.1), (expected - actual).norm().item<float>(), one.name);
        }
    }

    [TestMethod]
    public void TheLayer_TakesAnyMemoryLayoutOfAttention()
    {
        using var scope = NewDisposeScope();
        manual_seed(4);
        var layer = new TransformerLayer(Size, 2, 12, 0, new Transposed());
        Assert.IsTrue(layer.Forward(randn(5, Size), new PackedSequences([5]), null).isfinite().all().item<bool>());
    }

    /// <summary>Answers as libtorch's plain attention does for a single sequence: heads before tokens in memory.</summary>
    private sealed class Transposed : IPackedAttention
    {
        public Tensor Attend(Tensor query, Tensor key, Tensor value, PackedSequences sequences) => value.transpose(0, 1).contiguous().transpose(0, 1);
    }

    [TestMethod]
    public void TheLayer_KeepsSequencesApart_AndSeesTheirOrderByPositionsAlone()
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        var layer = new TransformerLayer(Size, 2, 12, 0, new DenseAttention());
        var sequences = new PackedSequences([3, 3]);
        var x = randn(6, Size);
        var y = layer.Forward(x, sequences, null);
        var changed = cat([x.narrow(0, 0, 3), randn(3, Size)], 0);
        AreClose(Flat(y.narrow(0, 0, 3)), layer.Forward(changed, sequences, null).narrow(0, 0, 3));

        long[] reversed = [2, 1, 0, 3, 4, 5];
        AreClose(Flat(y.index_select(0, tensor(reversed))), layer.Forward(x.index_select(0, tensor(reversed)), sequences, null));
    }
}
