using Moodle.Tests.Training;

namespace Moodle.Tests.Cli;

[TestClass]
public sealed class EncodeCommandTests
{
    [TestMethod]
    public void Encode_PrintsTheRateAndTheStore_AndDoesNothingTwice()
    {
        using var graph = new TinyGraph();
        string[] command = ["encode", graph.ConfigFile, "--modality", "image", "--set", "data.cache=true", "--set", $"image.encoder.pretrained.path={TinyEncoders.Image(graph["vit"])}"];
        var before = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        Environment.SetEnvironmentVariable("XDG_CACHE_HOME", graph["cache"]);
        try
        {
            using var first = MoodleProcess.Start(command);
            var end = first.End();
            Assert.AreEqual(0, end.Code, end.Error);
            Assert.StartsWith("image: 30 entities × 8 values in " + graph["cache"], end.Out);
            Assert.Contains(" pictures/s; 0 unreadable", end.Error);
            using var second = MoodleProcess.Start(command);
            Assert.Contains("encode image: nothing to do, the store is there", second.End().Error);
        }
        finally
        {
            Environment.SetEnvironmentVariable("XDG_CACHE_HOME", before);
        }
    }
}
