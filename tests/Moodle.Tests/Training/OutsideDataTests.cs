using System.Text.Json;
using Moodle.Tests.Cli;
using Moodle.Tests.Runtime;

namespace Moodle.Tests.Training;

/// <summary>Runs on features from outside and on splits that are cleaned as they are read.</summary>
[TestClass]
public sealed class OutsideDataTests
{
    [TestMethod]
    public void Features_TakeTheEncodersPlace_AndStayWithTheRun()
    {
        using var graph = new TinyGraph();
        var bytes = new byte[TinyGraph.Entities * 5 * 4];
        var random = new Random(1);
        for (var i = 0; i < bytes.Length; i += 4)
        {
            BitConverter.GetBytes(random.NextSingle()).CopyTo(bytes, i);
        }

        var (file, ids) = (Path.Combine(graph.Data, "features", "f.npy"), Path.Combine(graph.Data, "features", "ids.txt"));
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllBytes(file, NumpyTests.Npy("<f4", $"({TinyGraph.Entities}, 5)", bytes));
        File.WriteAllLines(ids, Enumerable.Range(0, TinyGraph.Entities).Select(TinyGraph.Label));
        string[] sets = ["--set", "image.features.file=features/f.npy", "--set", "image.features.ids=features/ids.txt", "--set", "modalities=structure,image", "--set", "training.unimodal.epochs=1"];

        var answer = CommandLine.Run(["train", graph.ConfigFile, "--run", graph["run"], .. sets]);
        Assert.AreEqual(0, answer.Code, answer.Error);
        Assert.Contains("image: 5 values from features/f.npy for 60 of 60 entities; left out: 0 rows of others", answer.Error);
        Assert.DoesNotContain("encode image", answer.Error);

        File.Delete(file);
        CommandLine.Done("evaluate", graph["run"]);
        CommandLine.Refused(["train", graph.ConfigFile, "--run", graph["other"], .. sets], file, "cannot be read");
        CommandLine.Refused(["train", graph.ConfigFile, "--run", graph["other"], "--set", "text.features.ids=x.txt"], "text.features.ids", "'file' names none; set it as well");
        CommandLine.Refused(["train", graph.ConfigFile, "--run", graph["other"], "--set", "image.features.file=visual.pth"], "visual.pth: a pickle may hold programs and is not opened");
    }

    [TestMethod]
    [DataRow("text")]
    [DataRow("image")]
    public void FeaturesBesideAnEncoderFromElsewhere_AreRefused(string branch)
    {
        using var graph = new TinyGraph();
        string[] sets = ["--set", $"{branch}.features.file=f.npy", "--set", $"{branch}.encoder.pretrained.path=models/x"];
        CommandLine.Refused(["train", graph.ConfigFile, "--run", graph["run"], .. sets], $"'{branch}.features.file' takes the place of the encoder", "'encoder.pretrained.path'", "set one of the two to null");
        CommandLine.Refused(["encode", graph.ConfigFile, .. sets], $"'{branch}.features.file'");
    }

    [TestMethod]
    public void Clean_TrainsOnAuditedSplits_AndTheResultsSaySo()
    {
        using var graph = new TinyGraph();
        var (train, dev) = (Path.Combine(graph.Data, "train.tsv"), Path.Combine(graph.Data, "dev.tsv"));
        File.AppendAllLines(dev, File.ReadLines(train).Take(3).Append(File.ReadLines(dev).First()).ToArray());
        string[] args = ["train", graph.ConfigFile, "--run", graph["run"], "--set", "data.clean=true", "--set", "modalities=structure", "--set", "training.unimodal.epochs=1"];

        var answer = CommandLine.Run(args);
        Assert.AreEqual(0, answer.Code, answer.Error);
        Assert.Contains("280 training, 40 validation and 40 test triples", answer.Error);
        Assert.Contains("data: cleaned: 3 validation triples dropped that stand in train", answer.Error);
        Assert.DoesNotContain("stand in train as well", answer.Error);
        using var results = JsonDocument.Parse(File.ReadAllText(Path.Combine(graph["run"], "results.json")));
        Assert.AreEqual(2, results.RootElement.GetProperty("data_notes").GetArrayLength());
        CommandLine.Done("evaluate", graph["run"], "--split", "validation");
    }

    [TestMethod]
    public void ALayoutThatIsAskedFor_IsTaken()
    {
        using var graph = new TinyGraph();
        CommandLine.Refused(["train", graph.ConfigFile, "--run", graph["run"], "--set", "data.layout=openke"], "train2id.txt: no such file; the openke layout needs");
        CommandLine.Refused(["train", graph.ConfigFile, "--run", graph["run"], "--set", "data.layout=owl"], "'data.layout' is 'owl'", "mkgformer");
        CommandLine.Refused(["train", graph.ConfigFile, "--run", graph["run"], "--set", "data.links_to=no/such"], "data.links_to: there is no folder 'no/such'");
    }
}
