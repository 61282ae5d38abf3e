using System.Collections.Immutable;
using Moodle.Attention;
using Moodle.Configuration;
using Moodle.Encoders;
using Moodle.Modalities;
using TorchSharp;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Encoders;

[TestClass]
public sealed class TextEncoderTests
{
    private const int Limit = 6;
    private static readonly ImmutableArray<string> Texts =
        ["red green blue", "", "blue green red", "red", "green green blue red blue", "red green", "blue red green blue red green blue red"];

    internal static readonly TextEncoderConfig Config = new() { HiddenSize = 8, Heads = 2, Layers = 2, FeedForwardSize = 8, Dropout = 0.2 };

    [TestMethod]
    public void AnEntity_IsEncodedTheSame_WhateverItsBatch()
    {
        using var scope = NewDisposeScope();
        var encoder = Create();
        int[] batch = [4, 0, 3, 6, 5, 2];
        var all = encoder.Encode(batch);
        CollectionAssert.AreEqual(new long[] { batch.Length, 8 }, all.shape);
        for (var i = 0; i < batch.Length; i++)
        {
            AreClose(Flat(all[i]), encoder.Encode([batch[i]])[0], 1e-5, $"entity {batch[i]} alone");
        }

        AreClose(Flat(all.flip(0)), encoder.Encode([.. batch.Reverse()]), 1e-5, "in reverse");
        AreClose([.. Flat(all[1]), .. Flat(all[1])], encoder.Encode([0, 0]), 1e-5, "twice");
    }

    [TestMethod]
    public void TheOrderOfWords_AndOnlyWordsWithinTheLimit_Count()
    {
        using var scope = NewDisposeScope();
        var encoder = Create();
        Assert.IsFalse(encoder.Encode([0]).allclose(encoder.Encode([2])), "red green blue is not blue green red");
        var cut = Create(Texts.SetItem(6, "blue red green blue red green"));
        AreClose(Flat(encoder.Encode([6])), cut.Encode([6]));
    }

    [TestMethod]
    public void EntitiesWithoutText_AreTold()
    {
        using var scope = NewDisposeScope();
        var encoder = Create();
        CollectionAssert.AreEqual(new[] { true, false, true, true, true, true, true }, Enumerable.Range(0, Texts.Length).Select(encoder.Has).ToArray());
        CollectionAssert.AreEqual(new[] { 3, 0, 3, 1, 5, 2, Limit }, Enumerable.Range(0, Texts.Length).Select(encoder.Cost).ToArray());
        Assert.AreEqual(8, encoder.FeatureSize);
    }

    [TestMethod]
    public void EveryParameterLearns_AndFollowsTheSeed()
    {
        using var scope = NewDisposeScope();
        var encoder = Create();
        encoder.train();
        (encoder.Encode([0, 4, 6]) * randn(3, 8)).sum().backward();
        foreach (var (name, parameter) in encoder.named_parameters())
        {
            Assert.IsTrue(parameter.isfinite().all().item<bool>(), name);
            Assert.IsTrue(parameter.grad is { } gradient && gradient.isfinite().all().item<bool>() && gradient.abs().sum().item<float>() > 0, name);
        }

        Assert.IsTrue(encoder.parameters().Zip(Create().parameters()).All(pair => pair.First.equal(pair.Second).all().item<bool>()));
    }

    [TestMethod]
    public void Encoding_LeavesOnlyItsResult()
    {
        using var _ = no_grad();
        using var encoder = Create();
        encoder.Encode([0, 4]).Dispose();
        var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        encoder.Encode([0, 4]).Dispose();
        Assert.AreEqual(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    internal static TextEncoder Create(ImmutableArray<string>? texts = null)
    {
        manual_seed(3);
        // The vocabulary is that of the texts above even where others are encoded.
        var tokenizer = new WordPieceTokenizer([.. WordPieceTrainer.Special, "red", "green", "blue"]);
        var encoder = new TextEncoder(Config, new TokenizedDocuments([.. (texts ?? Texts).Select(text => new EntityDocument(text, []))], tokenizer, Limit), _ => new DenseAttention());
        encoder.eval();
        return encoder;
    }
}
