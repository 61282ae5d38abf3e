using System.Buffers.Binary;
using System.IO.Compression;
using Moodle.Configuration;
using Moodle.Graphs;
using Moodle.Modalities;
using Moodle.Runtime;
using Moodle.Tests.Graphs;
using Moodle.Tests.Runtime;
using Moodle.Tests.Support;
using static TorchSharp.torch;

namespace Moodle.Tests.Modalities;

/// <summary>Rows from outside reach the entities that they belong to, and nothing else.</summary>
[TestClass]
public sealed class FeatureFileTests
{
    // paris, france, rome, italy by first occurrence; the list below puts them otherwise.
    private const string List = "italy\nrome\nparis\nfrance\n";

    [NoTensorLeak]
    public void WithIds_RowsFindTheirEntities()
    {
        using var folder = GraphFolder.Small().With("ids.txt", "rome\r\natlantis\nparis\titem 3\n");
        Write(folder["f.npy"], "<f4", 3, [1, 2, 3, 4, 5, 6]);

        var (values, entities, summary) = Read(folder, new FeatureFileConfig { File = "f.npy", Ids = "ids.txt" });

        using (values)
        {
            CollectionAssert.AreEqual(new[] { 2, 0 }, entities);
            CollectionAssert.AreEqual(new float[] { 1, 2, 5, 6 }, values.data<float>().ToArray());
            Assert.AreEqual("2 values from f.npy for 2 of 4 entities; left out: 1 rows of others, 0 masked, 0 of zeros or NaN", summary);
        }
    }

    [NoTensorLeak]
    public void WithoutIds_RowsFollowTheDataSetsOwnList()
    {
        using var folder = GraphFolder.Small().With("entities.txt", List);
        foreach (var type in new[] { "<f2", "<f4", "<f8" })
        {
            Write(folder["f.npy"], type, 4, [1, 2, 0, 0, double.NaN, double.NaN, 7, 0]);

            var (values, entities, summary) = Read(folder, new FeatureFileConfig { File = "f.npy" });

            using (values)
            {
                CollectionAssert.AreEqual(new[] { 0, 3 }, entities, "rows of zeros or NaN alone are missing");
                CollectionAssert.AreEqual(new float[] { 1, 2, 7, 0 }, values.data<float>().ToArray());
                Assert.EndsWith("2 of zeros or NaN", summary);
            }
        }
    }

    [NoTensorLeak]
    public void AMask_LeavesRowsOut_WhereverItLies()
    {
        using var folder = GraphFolder.Small().With("entities.txt", List).With("mask.txt", "1\n0\n0.5\n0\n");
        using var features = tensor(new float[,] { { 1 }, { 2 }, { 3 }, { 4 } });
        using var mask = tensor(new[] { true, false, true, false });
        using var wide = tensor(new long[,] { { 1 }, { 0 }, { 1 }, { 0 } });
        Write(folder["f.npy"], "<f4", 4, [1, 2, 3, 4]);
        File.WriteAllBytes(folder["mask.npy"], NumpyTests.Npy("|b1", "(4,)", [1, 0, 1, 0]));
        NumpyTests.WriteArchive(folder["f.npz"], CompressionLevel.Optimal, ("visual", File.ReadAllBytes(folder["f.npy"])), ("present", File.ReadAllBytes(folder["mask.npy"])));
        Safetensors.Write(folder["f.safetensors"], new Dictionary<string, Tensor> { ["visual"] = features, ["present"] = mask, ["wide"] = wide });

        foreach (var options in new FeatureFileConfig[]
        {
            new() { File = "f.npy", Mask = "mask.txt" }, new() { File = "f.npy", Mask = "mask.npy" }, new() { File = folder["f.npy"], Mask = folder["mask.npy"] },
            new() { File = "f.npz", Array = "visual", Mask = "present" }, new() { File = "f.npz", Array = "visual", Mask = "mask.npy" },
            new() { File = "f.safetensors", Array = "visual", Mask = "present" }, new() { File = "f.safetensors", Array = "visual", Mask = "wide" },
        })
        {
            var (values, entities, _) = Read(folder, options);
            using (values)
            {
                CollectionAssert.AreEqual(new[] { 0, 2 }, entities, options.ToString());
                CollectionAssert.AreEqual(new float[] { 1, 3 }, values.data<float>().ToArray(), options.ToString());
            }
        }
    }

    [TestMethod]
    public void WhatDoesNotFit_IsRefused()
    {
        using var folder = GraphFolder.Small().With("short.txt", "rome\n").With("twice.txt", "rome\nparis\nrome\nitaly\n").With("others.txt", "x\ny\nz\nw\n").With("words.txt", "yes\n");
        Write(folder["f.npy"], "<f4", 4, [1, 2, 3, 4]);
        Write(folder["broken.npy"], "<f8", 4, [1, 2, 1e300, 4]);
        File.WriteAllBytes(folder["ints.npy"], NumpyTests.Npy("<i4", "(4, 1)", new byte[16]));
        File.WriteAllBytes(folder["flat.npy"], NumpyTests.Npy("<f4", "(4,)", new byte[16]));
        NumpyTests.WriteArchive(folder["two.npz"], CompressionLevel.Optimal, ("a", []), ("b", []));

        Refused(folder, new() { File = "f.npy" }, "has no list of its entities, so the order of rows says nothing; name the entity of each row with image.features.ids");
        Refused(folder, new() { File = "f.npy", Ids = "short.txt" }, "short.txt: names 1 entities", "has 4 rows");
        Refused(folder, new() { File = "f.npy", Ids = "twice.txt" }, "twice.txt:3: entity 'rome' has a row already");
        Refused(folder, new() { File = "f.npy", Ids = "others.txt" }, "no row is left: 4 belong to no entity here");
        Refused(folder, new() { File = "f.npy", Ids = "none.txt" }, "none.txt: no such file");
        Refused(folder, new() { File = "none.npy" }, "none.npy: cannot be read");
        Refused(folder, new() { File = "flat.npy" }, "shape [4], expected [entities, size]");
        Refused(folder, new() { File = "ints.npy" }, "elements are Int32, expected float16, float32 or float64");
        Refused(folder, new() { File = "two.npz" }, "holds 2 arrays; name one with image.features.array: a, b");
        folder.With("entities.txt", List);
        Refused(folder, new() { File = "broken.npy" }, "row 2 (counted from 0) holds a number that is not finite");
        Refused(folder, new() { File = "f.npy", Mask = "words.txt" }, "words.txt:1: 'yes' is no number");
        Refused(folder, new() { File = "f.npy", Mask = "short.npy" }, "short.npy");
        folder.With("entities.txt", List + "monaco\n");
        Refused(folder, new() { File = "f.npy" }, "has 4 rows", "has 5 entities");
    }

    [TestMethod]
    [DataRow("f.pth", "weights_only=True")]
    [DataRow("f.pt", "numpy.save('f.npy'")]
    [DataRow("f.pkl", "pickle.load(open('f.pkl', 'rb'))")]
    [DataRow("f.h5", "h5py.File('f.h5')")]
    [DataRow("f.csv", "save a .npy, .npz or .safetensors file")]
    public void OtherFiles_AreNotOpened_AndToldHowToConvert(string file, string remedy)
    {
        using var folder = GraphFolder.Small();
        Refused(folder, new() { File = file }, file + ": ", remedy);
    }

    [TestMethod]
    [DataRow("FB15K-237-IMG", 2_473)]
    [DataRow("WN18-IMG", 477)]
    [DataRow("DB15K", 2_407)]
    public void RealFeatures_BelongToTheEntitiesWithPictures(string name, int count)
    {
        TestData.Require("FB15K-237-IMG"); // DB15K's pictures are there.
        var graph = GraphReader.Read(TestData.Require(name));
        var (values, entities, summary) = FeatureFile.Read(
            new() { File = "features/mobilenet_v2_mean_f16.npy", Ids = "features/entities.txt" }, graph, "image.features");
        using (values)
        {
            CollectionAssert.AreEqual(new long[] { count, 1280 }, values.shape);
            Assert.IsTrue(values.isfinite().all().item<bool>());
            Assert.Contains("left out: 0 rows of others, 0 masked, 0 of zeros or NaN", summary);
            CollectionAssert.AreEquivalent(Enumerable.Range(0, graph.Entities.Count).Where(entity => graph.Images[entity].Length > 0).ToArray(), entities);
        }
    }

    private static OutsideFeatures Read(GraphFolder folder, FeatureFileConfig options) => FeatureFile.Read(options, folder.Read(), "image.features");

    private static void Refused(GraphFolder folder, FeatureFileConfig options, params string[] words)
    {
        var message = Assert.ThrowsExactly<InputException>(() => Read(folder, options).Values.Dispose()).Message;
        foreach (var word in words)
        {
            Assert.Contains(word, message);
        }
    }

    private static void Write(string path, string type, int rows, double[] values)
    {
        var size = type[2] - '0';
        var data = new byte[values.Length * size];
        for (var i = 0; i < values.Length; i++)
        {
            var to = data.AsSpan(i * size);
            switch (size)
            {
                case 2:
                    BinaryPrimitives.WriteHalfLittleEndian(to, (Half)values[i]);
                    break;
                case 4:
                    BinaryPrimitives.WriteSingleLittleEndian(to, (float)values[i]);
                    break;
                default:
                    BinaryPrimitives.WriteDoubleLittleEndian(to, values[i]);
                    break;
            }
        }

        File.WriteAllBytes(path, NumpyTests.Npy(type, $"({rows}, {values.Length / rows})", data));
    }
}
