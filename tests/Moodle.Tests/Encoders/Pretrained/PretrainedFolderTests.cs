using System.Text.Json;
using Moodle.Attention;
using Moodle.Configuration;
using Moodle.Encoders.Pretrained;
using Moodle.Tests.Runtime;
using Moodle.Tests.Support;
using Moodle.Tests.Training;
using static TorchSharp.torch;

namespace Moodle.Tests.Encoders.Pretrained;

[TestClass]
public sealed class PretrainedFolderTests
{
    private const string Missing = "encoder.layer.1.output.dense.weight";

    [NoTensorLeak]
    public void Parts_AreOneModel()
    {
        using var folder = TestData.NewFolder();
        var weights = TextModelTests.Bert("bert", 9);
        string PartOf(string name) => name.StartsWith("encoder", StringComparison.Ordinal) ? "model-00002-of-00002.safetensors" : "model-00001-of-00002.safetensors";
        foreach (var part in weights.Names.GroupBy(PartOf))
        {
            weights.Write(folder[part.Key], name => PartOf(name) == part.Key);
        }

        File.WriteAllText(folder["config.json"], TextModelTests.BertConfig("bert", 9));
        void Index(Func<string, bool> filter, string? more = null) => File.WriteAllText(folder["model.safetensors.index.json"], JsonSerializer.Serialize(new
        {
            weight_map = weights.Names.Where(filter).Append(more).OfType<string>().ToDictionary(name => name, PartOf),
        }));
        Index(_ => true);
        OpenText(folder.Path).Dispose();
        Index(name => name != Missing);
        Assert.Contains($"does not name tensor \"{Missing}\"", Problem(folder.Path));
        Index(_ => true, "encoder.stray");
        Assert.Contains("tensor \"encoder.stray\" is missing, which", Problem(folder.Path));
        File.WriteAllText(folder["model.safetensors.index.json"], """{"weight_map": {"a": "../x.safetensors"}}""");
        Assert.Contains("which is no file in the folder", Problem(folder.Path));
    }

    [NoTensorLeak]
    public void EveryTensor_MustFit()
    {
        using var folder = TestData.NewFolder();
        var weights = TextModelTests.Bert("bert", 9);
        weights.Remove(Missing);
        weights.WriteFolder(folder.Path, TextModelTests.BertConfig("bert", 9));
        Assert.Contains($"model.safetensors: has no tensor \"{Missing}\"", Problem(folder.Path));
        weights.Add(Missing, 0, 1, 12, 8);
        weights.Write(folder["model.safetensors"]);
        Assert.Contains($"tensor \"{Missing}\" has shape [12, 8], the network that config.json describes needs [8, 12]", Problem(folder.Path));
        weights = TextModelTests.Bert("bert", 9);
        weights.Add("encoder.layer.2.output.dense.weight", 0, 1, 8, 12);
        weights.Write(folder["model.safetensors"]);
        Assert.Contains("tensor \"encoder.layer.2.output.dense.weight\" belongs to nothing", Problem(folder.Path));
    }

    [NoTensorLeak]
    public void PicklesAndEmptyFolders_GiveTheWayOut()
    {
        using var folder = TestData.NewFolder();
        File.WriteAllText(folder["config.json"], TextModelTests.BertConfig("bert", 9));
        Assert.Contains("model.safetensors: is missing", Problem(folder.Path));
        File.WriteAllText(folder["pytorch_model.bin"], "cos\nsystem\n(S'exit'\ntR.");
        var problem = Problem(folder.Path);
        Assert.StartsWith(folder["pytorch_model.bin"], problem);
        Assert.Contains("never executed", problem);
        Assert.Contains("safe_serialization=True", problem);
        Assert.Contains("there is no such folder", Problem(folder["nothing"]));
        Assert.Contains("the encoder cannot be read", Assert.ThrowsExactly<InputException>(() => PretrainedFolder.Digest(folder["nothing"])).Message);
        TextModelTests.Bert("bert", 9).Write(folder["model.safetensors"]);
        File.WriteAllText(folder["config.json"], """{"model_type": "llama"}""");
        Assert.Contains("'model_type' is llama; known are bert", Problem(folder.Path));
        File.Delete(folder["config.json"]);
        Assert.Contains("config.json: is missing", Problem(folder.Path));
    }

    [NoTensorLeak]
    public void ArchivesAlone_MustBeMobileNetV2()
    {
        using var folder = TestData.NewFolder();
        NumpyTests.WriteArchive(folder["x.npz"], System.IO.Compression.CompressionLevel.Optimal, ("00.dwconv.weight", NumpyTests.Npy("<f4", "(1,)", new byte[4])));
        Assert.Contains("is of kind dwconv, in a MobileNetV2 number 00 is conv", Assert.ThrowsExactly<InputException>(() => PretrainedImageModel.Open(folder["x.npz"], TokenPooling.Auto, CPU)).Message);
    }

    [NoTensorLeak]
    public void RandomAndTruncatedFiles_GiveOneLine()
    {
        using var folder = TestData.NewFolder();
        var (text, image) = (TinyEncoders.Text(folder["text"], 8), TinyEncoders.Image(folder["image"]));
        var (pieces, random) = (folder["pieces"], new Random(3));
        TinyEncoders.Text(pieces, 8);
        var vocabulary = File.ReadAllLines(Path.Combine(pieces, "vocab.txt")).Select((piece, id) => (piece, id)).ToDictionary(pair => pair.piece, pair => pair.id);
        File.Delete(Path.Combine(pieces, "vocab.txt"));
        File.WriteAllText(Path.Combine(pieces, "tokenizer.json"), JsonSerializer.Serialize(new { normalizer = new { type = "BertNormalizer", lowercase = true }, model = new { type = "WordPiece", vocab = vocabulary } }));
        (string Folder, string File)[] files = [(text, "config.json"), (text, "vocab.txt"), (text, "model.safetensors"), (image, "config.json"), (image, "preprocessor_config.json"), (pieces, "tokenizer.json")];
        var refused = 0;
        for (var round = 0; round < 60 * files.Length; round++)
        {
            var (place, file) = (files[round % files.Length].Folder, Path.Combine(files[round % files.Length].Folder, files[round % files.Length].File));
            var sound = File.ReadAllBytes(file);
            var bytes = sound.ToArray();
            switch (round / files.Length % 3)
            {
                case 0:
                    bytes = bytes[..random.Next(bytes.Length)];
                    break;
                case 1:
                    for (var i = 0; i <= random.Next(3); i++)
                    {
                        // Digits and brackets more often than chance: what stays JSON goes further.
                        bytes[random.Next(Math.Min(bytes.Length, 2000))] = random.Next(2) == 0 ? (byte)random.Next(256) : (byte)"0123456789-{}[],\"."[random.Next(18)];
                    }

                    break;
                default:
                    random.NextBytes(bytes);
                    break;
            }

            File.WriteAllBytes(file, bytes);
            try
            {
                Open(place, image);
            }
            catch (InputException error)
            {
                refused++;
                Assert.DoesNotContain("\n", error.Message);
                Assert.IsTrue(error.Message.Contains(folder.Path, StringComparison.Ordinal) || error.Message.StartsWith("text.document.max_tokens", StringComparison.Ordinal), error.Message);
            }

            File.WriteAllBytes(file, sound);
        }

        Assert.IsGreaterThan(100, refused);
    }

    private static void Open(string folder, string image)
    {
        if (folder == image)
        {
            new PretrainedImageEncoder(new PretrainedImageConfig { Path = folder }, [], CPU).Dispose();
            return;
        }

        using var encoder = new PretrainedTextEncoder(new PretrainedTextConfig { Path = folder }, ["Some text, and more.", "É 中 x"], 8, new DenseAttention(), CPU);
        encoder.Encode(encoder.Prepare([.. encoder.Entities], CancellationToken.None)).Dispose();
    }

    private static PretrainedTextModel OpenText(string folder) => PretrainedTextModel.Open(folder, false, new DenseAttention(), CPU);

    private static string Problem(string folder) => Assert.ThrowsExactly<InputException>(() => OpenText(folder)).Message;
}
