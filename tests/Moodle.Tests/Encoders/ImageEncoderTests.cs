using Moodle.Attention;
using Moodle.Configuration;
using Moodle.Encoders;
using Moodle.Modalities;
using Moodle.Tests.Modalities;
using Moodle.Tests.Support;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Encoders;

[TestClass]
public sealed class ImageEncoderTests
{
    private const int Size = 16;
    private static Pictures? _pictures;

    // Entities: a picture, none, another, both of these, and a third.
    [ClassInitialize]
    public static void DrawPictures(TestContext _)
    {
        using var folder = TestData.NewFolder();
        var random = new Random(1);
        string Draw(string name)
        {
            var pixels = new byte[Size * Size * 3];
            random.NextBytes(pixels);
            return PictureFiles.WritePixels(folder[name], Size, Size, 3, pixels);
        }

        var (a, b, c) = (Draw("a.png"), Draw("b.png"), Draw("c.png"));
        _pictures = new Pictures([[a], [], [b], [a, b], [c]], Size, 4);
    }

    [TestMethod]
    [DataRow(ImageEncoderKind.Cnn)]
    [DataRow(ImageEncoderKind.Vit)]
    public void AnEntity_IsTheMeanOfItsPictures_WhateverItsBatch(ImageEncoderKind kind)
    {
        using var scope = NewDisposeScope();
        var encoder = Create(kind);
        encoder.eval();
        int[] batch = [4, 0, 3, 2];
        var all = encoder.Encode(batch);
        CollectionAssert.AreEqual(new long[] { batch.Length, 16 }, all.shape);
        for (var i = 0; i < batch.Length; i++)
        {
            AreClose(Flat(all[i]), encoder.Encode([batch[i]])[0], 1e-4, $"entity {batch[i]} alone");
        }

        AreClose([.. Flat(all[1]).Zip(Flat(all[3]), (a, b) => (a + b) / 2)], all[2], 1e-4);
        Assert.IsFalse(all[0].allclose(all[1]), "different pictures");
    }

    [TestMethod]
    public void EntitiesWithoutPictures_AreTold()
    {
        using var scope = NewDisposeScope();
        var encoder = Create(ImageEncoderKind.Cnn);
        CollectionAssert.AreEqual(new[] { true, false, true, true, true }, Enumerable.Range(0, 5).Select(encoder.Has).ToArray());
        CollectionAssert.AreEqual(new[] { 1, 0, 1, 2, 1 }, Enumerable.Range(0, 5).Select(encoder.Cost).ToArray());
    }

    [TestMethod]
    [DataRow(ImageEncoderKind.Cnn)]
    [DataRow(ImageEncoderKind.Vit)]
    public void Parameters_StartFinite_AndFollowTheSeed(ImageEncoderKind kind)
    {
        using var scope = NewDisposeScope();
        for (var i = 0; i < 10; i++)
        {
            // Memory that held something before shows what nobody initialised.
            Array.ForEach(Enumerable.Range(0, 50).Select(_ => full(16, float.NaN)).ToArray(), tensor => tensor.Dispose());
            var (encoder, again) = (Create(kind), Create(kind));
            foreach (var ((name, parameter), other) in encoder.named_parameters().Zip(again.parameters()))
            {
                Assert.IsTrue(parameter.isfinite().all().item<bool>(), name);
                Assert.IsTrue(parameter.equal(other).all().item<bool>(), name);
                if (name.Contains("norm", StringComparison.Ordinal))
                {
                    Assert.IsTrue(parameter.eq(name.EndsWith("weight", StringComparison.Ordinal) ? 1 : 0).all().item<bool>(), name);
                }
            }
        }
    }

    [TestMethod]
    [DataRow(ImageEncoderKind.Cnn)]
    [DataRow(ImageEncoderKind.Vit)]
    public void EveryParameterLearns(ImageEncoderKind kind)
    {
        using var scope = NewDisposeScope();
        var encoder = Create(kind);
        (encoder.Encode([0, 3]) * randn(2, 16)).sum().backward();
        foreach (var (name, parameter) in encoder.named_parameters())
        {
            Assert.IsTrue(parameter.grad is { } gradient && gradient.isfinite().all().item<bool>() && gradient.abs().sum().item<float>() > 0, name);
        }
    }

    [TestMethod]
    [DataRow(ImageEncoderKind.Cnn, 32)]
    [DataRow(ImageEncoderKind.Cnn, 40)]
    [DataRow(ImageEncoderKind.Vit, 24)]
    public void OtherSizes_Work(ImageEncoderKind kind, int size)
    {
        using var scope = NewDisposeScope();
        using var folder = TestData.NewFolder();
        var pictures = new Pictures([[PictureFiles.Write(folder["a.png"], 50, 20, 200, 100, 0)]], size, 1);
        var encoder = new ImageEncoder(Config(kind) with { Size = size, Layers = 2 }, pictures, new DenseAttention());
        Assert.IsTrue(encoder.Encode([0]).isfinite().all().item<bool>());
    }

    private static ImageEncoderConfig Config(ImageEncoderKind kind) => new() { Kind = kind, Size = Size, HiddenSize = 16, Heads = 2, PatchSize = 8 };

    internal static ImageEncoder Create(ImageEncoderKind kind)
    {
        manual_seed(4);
        return new ImageEncoder(Config(kind), _pictures ?? new Pictures([], Size, 1), new DenseAttention());
    }
}
