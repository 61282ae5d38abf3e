using Moodle.Modalities;
using Moodle.Tests.Support;

namespace Moodle.Tests.Modalities;

[TestClass]
public sealed class PicturesTests
{
    private const int Size = 8;

    [TestMethod]
    [DataRow(new byte[] { 10, 200, 30 }, new byte[] { 10, 200, 30 })]
    [DataRow(new byte[] { 90 }, new byte[] { 90, 90, 90 })]
    [DataRow(new byte[] { 200, 0, 0, 255 }, new byte[] { 200, 0, 0 })]
    [DataRow(new byte[] { 200, 0, 0, 0 }, new byte[] { 255, 255, 255 })]
    [DataRow(new byte[] { 0, 0, 0, 51 }, new byte[] { 204, 204, 204 })]
    [DataRow(new byte[] { 0, 0 }, new byte[] { 255, 255, 255 })]
    [DataRow(new byte[] { 77, 255 }, new byte[] { 77, 77, 77 })]
    public void EveryKindOfPng_BecomesColourOnWhite(byte[] colour, byte[] expected)
    {
        using var folder = TestData.NewFolder();
        // Neither square nor of the size asked for.
        var pixels = Read(PictureFiles.Write(folder["a.png"], 20, 5, colour));
        for (var i = 0; i < pixels.Length; i++)
        {
            Assert.AreEqual(expected[i % 3], pixels[i], 1.0, $"byte {i}");
        }
    }

    [TestMethod]
    public void Pixels_StandRowByRow()
    {
        using var folder = TestData.NewFolder();
        // Red grows from left to right, green from top to bottom.
        var drawn = Enumerable.Range(0, Size * Size).SelectMany(i => new byte[] { (byte)(i % Size * 30), (byte)(i / Size * 30), 7 }).ToArray();
        CollectionAssert.AreEqual(drawn, Read(PictureFiles.WritePixels(folder["a.png"], Size, Size, 3, drawn)));
    }

    [TestMethod]
    public void ALargePicture_IsSqueezedAndNotCut()
    {
        using var folder = TestData.NewFolder();
        // The left half black, the right half white.
        var drawn = Enumerable.Range(0, 64 * 16).SelectMany(i => Enumerable.Repeat((byte)(i % 64 < 32 ? 0 : 255), 3)).ToArray();
        var pixels = Read(PictureFiles.WritePixels(folder["a.png"], 64, 16, 3, drawn));
        for (var row = 0; row < Size; row++)
        {
            Assert.IsLessThan(30, pixels[((row * Size) + 1) * 3]);
            Assert.IsGreaterThan(225, pixels[((row * Size) + Size - 2) * 3]);
        }
    }

    [TestMethod]
    public void WhatCannotBeRead_IsListedAndLeftOut()
    {
        using var folder = TestData.NewFolder();
        var good = PictureFiles.Write(folder["good.png"], 9, 9, 1, 2, 3);
        var noise = new byte[40 * 40 * 3];
        new Random(1).NextBytes(noise);
        var truncated = folder["truncated.png"];
        File.WriteAllBytes(truncated, File.ReadAllBytes(PictureFiles.WritePixels(folder["whole.png"], 40, 40, 3, noise))[..1500]);
        var text = folder["text.jpg"];
        File.WriteAllText(text, "<html>404</html>");
        var empty = folder["empty.png"];
        File.WriteAllBytes(empty, []);

        var told = 0;
        var pictures = new Pictures([[truncated, good], [text], [], [good, empty, good], [folder["absent.png"]]], Size, 4, () => Interlocked.Increment(ref told));
        CollectionAssert.AreEqual(new[] { 1, 0, 0, 2, 0 }, Enumerable.Range(0, pictures.Count).Select(entity => pictures[entity].Count).ToArray());
        CollectionAssert.AreEqual(new[] { folder["absent.png"], empty, text, truncated }, pictures.Broken.Select(entry => entry.Path).ToArray());
        foreach (var (path, problem) in pictures.Broken)
        {
            Assert.IsFalse(string.IsNullOrWhiteSpace(problem), path);
            Assert.DoesNotContain("\n", problem, path);
        }

        Assert.AreEqual((5, Size), (told, pictures.Size));
    }

    [TestMethod]
    public void ABrokenPicture_LeavesItsPlaceToTheNext_AndTheLimitHolds()
    {
        using var folder = TestData.NewFolder();
        var paths = Enumerable.Range(0, 4).Select(i => PictureFiles.Write(folder[$"{i}.png"], 4, 4, (byte)(i * 50), 0, 0)).ToArray();
        File.WriteAllText(paths[0], "nothing");
        var pictures = new Pictures([[.. paths]], Size, 2);
        CollectionAssert.AreEqual(new[] { 50, 100 }, pictures[0].Select(picture => (int)picture[0]).ToArray());
        Assert.HasCount(1, pictures.Broken);
    }

    [TestMethod]
    public void Failing_LeavesThePixelsAlone()
    {
        var pixels = Enumerable.Repeat((byte)9, Size * Size * 3).ToArray();
        Assert.IsFalse(PictureReader.TryRead("/nowhere.png", Size, pixels, out var problem));
        Assert.IsFalse(string.IsNullOrEmpty(problem));
        Assert.IsTrue(pixels.All(value => value == 9));
    }

    private static byte[] Read(string path)
    {
        var pixels = new byte[Size * Size * 3];
        Assert.IsTrue(PictureReader.TryRead(path, Size, pixels, out var problem), problem);
        Assert.IsNull(problem);
        return pixels;
    }
}
