using System.Collections.Immutable;
using System.Globalization;
using System.IO.Compression;
using Moodle.Configuration;
using Moodle.Encoders.Pretrained;
using Moodle.Runtime;
using Moodle.Tests.Runtime;
using Moodle.Tests.Support;
using static TorchSharp.torch;

namespace Moodle.Tests.Encoders.Pretrained;

[TestClass]
public sealed class MobileNetV2Tests
{
    private static readonly int[] s_widths = [16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320];

    [NoTensorLeak]
    public void FoldedArchive_IsTheSameNetwork()
    {
        using var scope = NewDisposeScope();
        using var folder = TestData.NewFolder();
        var weights = new KnownWeights(6);
        var layers = Layers().ToArray();
        foreach (var (name, outputs, inputs, side) in layers)
        {
            weights.AddConvolution(name, outputs, inputs, side);
        }

        weights.WriteFolder(folder["hub"], """{"model_type": "mobilenet_v2"}""");
        using (var file = File.Create(folder["x.npz"]))
        using (var archive = new ZipArchive(file, ZipArchiveMode.Create))
        {
            void Add(string name, IEnumerable<double> values, string shape)
            {
                using var entry = archive.CreateEntry(name + ".npy", CompressionLevel.NoCompression).Open();
                entry.Write(NumpyTests.Npy("<f4", shape, [.. values.SelectMany(value => BitConverter.GetBytes((float)value))]));
            }

            for (var i = 0; i < layers.Length; i++)
            {
                var (name, outputs, inputs, side) = layers[i];
                double[] Part(string part) => weights[$"{name}.normalization.{part}"];
                var factor = Part("weight").Zip(Part("running_var"), (scale, variance) => scale / Math.Sqrt(variance + 1e-3)).ToArray();
                var own = $"{i:00}.{(inputs == 1 ? "dwconv" : "conv")}.";
                Add(own + "weight", weights[name + ".convolution.weight"].Select((value, at) => value * factor[at / (inputs * side * side)]), $"({outputs}, {inputs}, {side}, {side})");
                Add(own + "bias", Part("bias").Select((shift, c) => shift - (Part("running_mean")[c] * factor[c])), $"({outputs},)");
            }

            Add("52.fc.bias", new double[5], "(5,)");
        }

        using var _ = no_grad();
        using var hub = PretrainedImageModel.Open(folder["hub"], TokenPooling.Auto, CPU);
        using var folded = PretrainedImageModel.Open(folder["x.npz"], TokenPooling.Auto, CPU);
        manual_seed(1);
        var pictures = randn(1, 3, 33, 40);
        var (expected, made) = (hub.Forward(pictures), folded.Forward(pictures));
        Assert.AreEqual(1280, made.shape[1]);
        Assert.IsGreaterThan(0.1f, expected.abs().max().item<float>());
        Assert.IsLessThan(1e-3f, ((expected - made).abs().max() / expected.abs().max()).item<float>());
    }

    [TestMethod]
    public void RealWeights_GiveTheKnownFeaturesOfPicturesThatNobodyChanged()
    {
        var (archive, data) = (TestData.Require("encoders", "mobilenet_v2_1.0_224_dequant_f32.npz"), TestData.Require("FB15K-237-IMG"));
        using var scope = NewDisposeScope();
        // Flags as PNG, none above 255 pixels: neither shrunk nor compressed with loss since the features were made.
        var entities = File.ReadLines(Path.Combine(data, "images_manifest.tsv")).Skip(1).Select(line => line.Split('\t')).GroupBy(cells => cells[0])
            .Where(group => group.All(cells => cells[1].EndsWith(".png", StringComparison.Ordinal) && Math.Max(int.Parse(cells[4], CultureInfo.InvariantCulture), int.Parse(cells[5], CultureInfo.InvariantCulture)) < 256))
            .Take(24).ToArray();
        var rows = File.ReadLines(Path.Combine(data, "features", "entities.txt")).Select((label, row) => (label, row)).ToDictionary(pair => pair.label, pair => (long)pair.row);
        ImmutableArray<ImmutableArray<string>> paths = [.. entities.Select(group => group.Select(cells => Path.Combine(data, cells[1])).ToImmutableArray())];
        using var encoder = new PretrainedImageEncoder(new PretrainedImageConfig { Path = archive }, paths, CPU);
        var batch = encoder.Prepare([.. encoder.Entities], CancellationToken.None);
        Assert.IsEmpty(batch.Broken);
        var made = encoder.Encode(batch);
        var given = NumpyArray.Read(Path.Combine(data, "features", "mobilenet_v2_mean_f16.npy")).to(ScalarType.Float32).index_select(0, tensor(entities.Select(group => rows[group.Key]).ToArray()));
        Assert.IsGreaterThan(0.999f, nn.functional.cosine_similarity(made, given, dim: 1).min().item<float>());
    }

    private static IEnumerable<(string Name, int Outputs, int Inputs, int Side)> Layers()
    {
        yield return ("conv_stem.first_conv", 32, 3, 3);
        yield return ("conv_stem.conv_3x3", 32, 1, 3);
        yield return ("conv_stem.reduce_1x1", 16, 32, 1);
        for (var i = 0; i < 16; i++)
        {
            yield return ($"layer.{i}.expand_1x1", 6 * s_widths[i], s_widths[i], 1);
            yield return ($"layer.{i}.conv_3x3", 6 * s_widths[i], 1, 3);
            yield return ($"layer.{i}.reduce_1x1", s_widths[i + 1], 6 * s_widths[i], 1);
        }

        yield return ("conv_1x1", 1280, 320, 1);
    }
}
