using Moodle.Tests.Support;
using Moodle.Training;
using static TorchSharp.torch;

namespace Moodle.Tests.Training;

[TestClass]
public sealed class CheckpointFolderTests
{
    private static readonly TrainingState s_state = new()
    {
        Seed = 3,
        Stage = "encode text",
        Epoch = 2,
        Step = 7,
        GlobalStep = 41,
        LossSums = [0.1, 1.0 / 3, double.NaN],
        Best = new Dictionary<string, TrainingState.BestValidation> { ["text"] = new(0.1 + 0.2, 1) },
        Stale = 1,
        MetricsLength = 1234,
        Seconds = 5.5,
    };

    [TestMethod]
    public void Checkpoint_ComesBackToTheLastBit()
    {
        using var folder = TestData.NewFolder();
        using var scope = NewDisposeScope();
        var checkpoints = new CheckpointFolder(folder["checkpoints"]);
        Assert.IsFalse(checkpoints.Has("last"));
        var tensors = new Dictionary<string, Tensor> { ["model.a"] = rand(3, 2), ["model.b"] = tensor(5L), ["optimizer.a.step"] = rand(1, dtype: ScalarType.Float64) };
        checkpoints.Save("last", s_state, tensors);

        Assert.IsTrue(checkpoints.Has("last"));
        var (state, read) = checkpoints.Load("last");
        Assert.AreEqual((s_state with { Tensors = state.Tensors }).ToJson(), state.ToJson());
        CollectionAssert.AreEquivalent(tensors.Keys, read.Keys.ToArray());
        foreach (var (name, tensor) in read)
        {
            Assert.AreEqual(tensors[name].dtype, tensor.dtype);
            Assert.IsTrue(tensors[name].equal(tensor).all().item<bool>(), name);
        }
    }

    [TestMethod]
    public void Saving_RemovesOlderTensorsOfTheSameNameOnly()
    {
        using var folder = TestData.NewFolder();
        using var scope = NewDisposeScope();
        var checkpoints = new CheckpointFolder(folder.Path);
        var tensors = new Dictionary<string, Tensor> { ["a"] = ones(1) };
        checkpoints.Save("best", s_state, tensors);
        checkpoints.Save("last", s_state, tensors);
        checkpoints.Save("last", s_state with { Step = 8 }, tensors);
        CollectionAssert.AreEquivalent(
            new[] { "best-encode text-2-7.safetensors", "best.json", "last-encode text-2-8.safetensors", "last.json" },
            Directory.GetFiles(folder.Path).Select(Path.GetFileName).ToArray());
    }

    [TestMethod]
    public void AFailedSave_LeavesTheCheckpointBefore()
    {
        using var folder = TestData.NewFolder();
        using var scope = NewDisposeScope();
        var checkpoints = new CheckpointFolder(folder.Path);
        checkpoints.Save("last", s_state, new Dictionary<string, Tensor> { ["a"] = ones(1) });
        // A folder stands where the tensors must go.
        Directory.CreateDirectory(folder["last-encode text-2-8.safetensors"]);
        var error = Assert.ThrowsExactly<InputException>(() => checkpoints.Save("last", s_state with { Step = 8 }, new Dictionary<string, Tensor> { ["a"] = zeros(1) }));
        Assert.Contains("cannot be written", error.Message);
        var (state, tensors) = checkpoints.Load("last");
        Assert.AreEqual(7, state.Step);
        Assert.AreEqual(1f, tensors["a"].item<float>());
    }

    [TestMethod]
    public void DamagedTensors_NameBothFiles()
    {
        using var folder = TestData.NewFolder();
        using var scope = NewDisposeScope();
        var checkpoints = new CheckpointFolder(folder.Path);
        checkpoints.Save("best", s_state, new Dictionary<string, Tensor> { ["a"] = ones(100) });
        var file = folder["best-encode text-2-7.safetensors"];
        using (var stream = new FileStream(file, FileMode.Open))
        {
            stream.SetLength(stream.Length - 10);
        }

        var error = Assert.ThrowsExactly<InputException>(() => checkpoints.Load("best"));
        Assert.Contains(checkpoints.JsonPath("best"), error.Message);
        Assert.Contains(file, error.Message);
        Assert.Contains("cut off", error.Message);
        Assert.Contains("--checkpoint", error.Message);
    }
}
