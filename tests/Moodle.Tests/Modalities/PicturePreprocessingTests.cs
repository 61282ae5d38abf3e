using Moodle.Modalities;
using Moodle.Tests.Support;
using NetVips;

namespace Moodle.Tests.Modalities;

[TestClass]
public sealed class PicturePreprocessingTests
{
    [TestMethod]
    [DataRow("""{"size": 224, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}""", 224, 224, 224, 224)]
    [DataRow("""{"size": {"height": 30, "width": 40}, "do_normalize": false}""", 30, 40, 30, 40)]
    [DataRow("""{"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 220}, "do_center_crop": true, "do_normalize": false}""", 256, null, 224, 220)]
    [DataRow("""{"size": 224, "crop_size": 224, "do_center_crop": true, "do_normalize": false}""", 224, null, 224, 224)]
    [DataRow("""{"size": {"shortest_edge": 224}, "crop_pct": 0.875, "do_normalize": false}""", 256, null, 224, 224)]
    [DataRow("""{"size": {"shortest_edge": 384}, "crop_pct": 0.875, "do_normalize": false}""", 384, 384, 384, 384)]
    public void EachForm_IsRead(string text, int resize, int? width, int outputHeight, int outputWidth)
    {
        var read = Read(text);
        Assert.AreEqual((resize, width, outputHeight, outputWidth), (read.Resize, read.Width, read.OutputHeight, read.OutputWidth));
    }

    [TestMethod]
    [DataRow("{}", "'image_std' is missing")]
    [DataRow("""{"do_normalize": false}""", "'size' is missing")]
    [DataRow("""{"do_normalize": false, "size": {"shortest_edge": 224}}""", "without a crop")]
    [DataRow("""{"do_normalize": false, "size": 224, "resample": 5}""", "'resample' is 5")]
    [DataRow("""{"size": 224, "image_mean": [0, 0, 0], "image_std": [0, 1, 1]}""", "'image_std' must hold numbers above 0")]
    public void WhatIsOpen_IsSaid(string text, string expected) => Assert.Contains(expected, Assert.ThrowsExactly<InputException>(() => Read(text)).Message);

    [TestMethod]
    [DataRow(PictureFilter.Bilinear, 9, 6)]
    [DataRow(PictureFilter.Bilinear, 31, 50)]
    [DataRow(PictureFilter.Bicubic, 9, 6)]
    [DataRow(PictureFilter.Bicubic, 31, 50)]
    [DataRow(PictureFilter.Lanczos, 9, 6)]
    [DataRow(PictureFilter.Lanczos, 31, 50)]
    [DataRow(PictureFilter.Nearest, 9, 50)]
    public void Resizing_IsAWeightedMean(PictureFilter filter, int height, int width)
    {
        const int Height = 17;
        const int Width = 23;
        var source = new byte[Height * Width * 3];
        new Random(2).NextBytes(source);
        var target = new byte[height * width * 3];
        PictureResampler.Resize(source, (Height, Width), (height, width), filter, target, (height, width));
        var expected = Expected(source, Height, Width, height, width, filter);
        // Rounded twice, after each pass.
        Assert.IsLessThanOrEqualTo(1.6, target.Zip(expected, (a, b) => Math.Abs(a - Math.Clamp(b, 0, 255))).Max());
    }

    [TestMethod]
    public void Pictures_AreCutFromTheMiddleAndFilledWithBlack()
    {
        using var folder = TestData.NewFolder();
        var pixels = Enumerable.Range(0, 8 * 4).SelectMany(i => new byte[] { (byte)(i % 8), (byte)(i / 8), 77, 0 }).ToArray();
        using (var picture = Image.NewFromMemory(pixels, 8, 4, 4, Enums.BandFormat.Uchar).Copy(interpretation: Enums.Interpretation.Srgb))
        {
            picture.Pngsave(folder["x.png"]);
        }

        var preprocessing = PicturePreprocessing.MobileNetV2 with { Resize = 4, Crop = (2, 6) };
        var cut = new byte[2 * 6 * 3];
        Assert.IsTrue(PictureReader.TryRead(folder["x.png"], preprocessing, cut, out var problem), problem);
        // What is transparent keeps its colour.
        CollectionAssert.AreEqual(new byte[] { 1, 1, 77 }, cut[..3]);
        CollectionAssert.AreEqual(new byte[] { 6, 2, 77 }, cut[^3..]);
        var filled = new byte[6 * 8 * 3];
        Assert.IsTrue(PictureReader.TryRead(folder["x.png"], preprocessing with { Crop = (6, 8) }, filled, out problem), problem);
        Assert.IsTrue(filled[..24].All(value => value == 0) && filled[^24..].All(value => value == 0));
        CollectionAssert.AreEqual(new byte[] { 0, 0, 77 }, filled[24..27]);
        File.WriteAllText(folder["x.png"], "no");
        Assert.IsFalse(PictureReader.TryRead(folder["x.png"], preprocessing, cut, out problem));
        Assert.IsNotNull(problem);
    }

    private static double[] Expected(byte[] source, int fromHeight, int fromWidth, int height, int width, PictureFilter filter)
    {
        double[] Weights(int from, int to, int position)
        {
            var (scale, centre) = ((double)from / to, (position + 0.5) * from / to);
            if (filter == PictureFilter.Nearest)
            {
                return [.. Enumerable.Range(0, from).Select(i => i == (int)centre ? 1.0 : 0)];
            }

            var weights = Enumerable.Range(0, from).Select(i => Kernel(Math.Abs(i + 0.5 - centre) / Math.Max(1, scale))).ToArray();
            return [.. weights.Select(weight => weight / weights.Sum())];
        }

        double Kernel(double x) => filter switch
        {
            PictureFilter.Bilinear => Math.Max(0, 1 - x),
            PictureFilter.Bicubic => x < 1 ? 1 - (2.5 * x * x) + (1.5 * x * x * x) : x < 2 ? 2 - (4 * x) + (2.5 * x * x) - (0.5 * x * x * x) : 0,
            _ => x < 1e-9 ? 1 : x < 3 ? 3 * Math.Sin(Math.PI * x) * Math.Sin(Math.PI * x / 3) / (Math.PI * Math.PI * x * x) : 0,
        };

        var (rows, columns) = (Enumerable.Range(0, height).Select(y => Weights(fromHeight, height, y)).ToArray(), Enumerable.Range(0, width).Select(x => Weights(fromWidth, width, x)).ToArray());
        return [.. from row in rows from column in columns from c in Enumerable.Range(0, 3)
            select Enumerable.Range(0, fromHeight).Sum(y => row[y] * Math.Clamp(Enumerable.Range(0, fromWidth).Sum(x => column[x] * source[(((y * fromWidth) + x) * 3) + c]), 0, 255))];
    }

    private static PicturePreprocessing Read(string text)
    {
        using var folder = TestData.NewFolder();
        File.WriteAllText(folder["preprocessor_config.json"], text);
        return PicturePreprocessing.Read(folder["preprocessor_config.json"]);
    }
}
