using Moodle.Tests.Support;
using Moodle.Training;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Training;

[TestClass]
public sealed class PendingCheckpointTests
{
    [NoTensorLeak]
    public void WhatIsTaken_IsWrittenLater_AsItWasThen()
    {
        using var folder = TestData.NewFolder();
        using var scope = NewDisposeScope();
        var checkpoints = new CheckpointFolder(folder["checkpoints"]);
        using var pending = new PendingCheckpoint(checkpoints, "best");
        var tensors = new Dictionary<string, Tensor> { ["text.a"] = ones(2), ["image.a"] = ones(3) };
        pending.Write();
        Assert.IsFalse(checkpoints.Has("best"), "nothing taken, nothing written");

        pending.Take(new TrainingState { Epoch = 1 }, tensors, _ => true);
        tensors["text.a"].mul_(5);
        tensors["image.a"].mul_(7);
        pending.Take(new TrainingState { Epoch = 2 }, tensors, name => name.StartsWith("text", StringComparison.Ordinal));
        Assert.IsFalse(checkpoints.Has("best"));
        tensors["text.a"].zero_();
        pending.Write();
        Expect(checkpoints, 2, text: 5, image: 1);

        // What was written is where the rest comes from.
        tensors["image.a"].fill_(9);
        pending.Take(new TrainingState { Epoch = 3 }, tensors, name => name.StartsWith("image", StringComparison.Ordinal));
        pending.Write();
        Expect(checkpoints, 3, text: 5, image: 9);
    }

    private static void Expect(CheckpointFolder checkpoints, int epoch, double text, double image)
    {
        var (state, read) = checkpoints.Load("best");
        Assert.AreEqual(epoch, state.Epoch);
        CollectionAssert.AreEqual(new[] { text, text }, Flat(read["text.a"]));
        CollectionAssert.AreEqual(new[] { image, image, image }, Flat(read["image.a"]));
    }
}
