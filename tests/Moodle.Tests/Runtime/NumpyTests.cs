using System.IO.Compression;
using System.Text;
using Moodle.Runtime;
using Moodle.Tests.Support;
using static TorchSharp.torch;

namespace Moodle.Tests.Runtime;

[TestClass]
public sealed class NumpyTests
{
    [NoTensorLeak]
    public void EveryType_IsReadAsItWasWritten()
    {
        using var scope = NewDisposeScope();
        using var folder = TestData.NewFolder();
        // numpy.array([[1, 2, 3], [-4, 5, 6]]).astype(t).tobytes()
        foreach (var (description, type, bytes) in new (string, ScalarType, byte[])[]
        {
            ("<f2", ScalarType.Float16, [.. Each<Half>(BitConverter.GetBytes, [(Half)1, (Half)2, (Half)3, (Half)(-4), (Half)5, (Half)6])]),
            ("<f4", ScalarType.Float32, [.. Each<float>(BitConverter.GetBytes, [1, 2, 3, -4, 5, 6])]),
            ("<f8", ScalarType.Float64, [.. Each<double>(BitConverter.GetBytes, [1, 2, 3, -4, 5, 6])]),
            ("<i2", ScalarType.Int16, [.. Each<short>(BitConverter.GetBytes, [1, 2, 3, -4, 5, 6])]),
            ("<i4", ScalarType.Int32, [.. Each<int>(BitConverter.GetBytes, [1, 2, 3, -4, 5, 6])]),
            ("<i8", ScalarType.Int64, [.. Each<long>(BitConverter.GetBytes, [1, 2, 3, -4, 5, 6])]),
            ("|i1", ScalarType.Int8, [1, 2, 3, 252, 5, 6]),
        })
        {
            foreach (var version in new[] { 1, 2, 3 })
            {
                File.WriteAllBytes(folder["a.npy"], Npy(description, "(2, 3)", bytes, version: version));
                var read = NumpyArray.Read(folder["a.npy"]);
                Assert.AreEqual(type, read.dtype);
                Assert.IsTrue(read.to(ScalarType.Float64).equal(tensor(new double[,] { { 1, 2, 3 }, { -4, 5, 6 } })).all().item<bool>(), description);
            }
        }

        File.WriteAllBytes(folder["a.npy"], Npy("|b1", "(3,)", [0, 1, 7]));
        CollectionAssert.AreEqual(new[] { false, true, true }, NumpyArray.Read(folder["a.npy"]).data<bool>().ToArray());
        File.WriteAllBytes(folder["a.npy"], Npy("|u1", "()", [200]));
        Assert.AreEqual(200, NumpyArray.Read(folder["a.npy"]).item<byte>());
        File.WriteAllBytes(folder["a.npy"], Npy("<f4", "(0, 5)", []));
        CollectionAssert.AreEqual(new long[] { 0, 5 }, NumpyArray.Read(folder["a.npy"]).shape);
        File.WriteAllBytes(folder["a.npy"], Npy("|u1", "(2, 3)", [1, 4, 2, 5, 3, 6], columnOrder: true));
        CollectionAssert.AreEqual(new byte[] { 1, 2, 3, 4, 5, 6 }, NumpyArray.Read(folder["a.npy"]).contiguous().data<byte>().ToArray());
    }

    [NoTensorLeak]
    public void Archives_GiveTheirArraysByName()
    {
        using var folder = TestData.NewFolder();
        WriteArchive(folder["a.npz"], CompressionLevel.Optimal, ("features", Npy("<f4", "(100,)", new byte[400])), ("ids", Npy("|O", "(1,)", [1])));

        using var archive = NumpyArchive.Open(folder["a.npz"]);

        CollectionAssert.AreEqual(new[] { "features", "ids" }, archive.Names.ToArray());
        using var features = archive.Read("features");
        CollectionAssert.AreEqual(new long[] { 100 }, features.shape);
        Assert.Contains("array \"ids\": an array of objects is a pickle", Refusal(() => archive.Read("ids")));
        Assert.Contains("holds no array \"x\"; it has features, ids", Refusal(() => archive.Read("x")));
    }

    [NoTensorLeak]
    public void AnArchive_WhoseNumbersWereDamaged_IsRefused()
    {
        using var folder = TestData.NewFolder();
        WriteArchive(folder["a.npz"], CompressionLevel.NoCompression, ("a", Npy("<f4", "(100,)", new byte[400])));
        var bytes = File.ReadAllBytes(folder["a.npz"]);
        bytes[300] ^= 1;
        File.WriteAllBytes(folder["a.npz"], bytes);
        using var archive = NumpyArchive.Open(folder["a.npz"]);
        Assert.Contains("checksum", Refusal(() => archive.Read("a")));
    }

    [TestMethod]
    [DataRow("|O", "(2,)", "an array of objects is a pickle, which may hold programs and is not opened")]
    [DataRow(">f4", "(2,)", "elements of type '>f4' are big-endian; save them with .astype(\"<f4\")")]
    [DataRow("<c8", "(1,)", "elements of type '<c8' are not known")]
    [DataRow("<U12", "(1,)", "elements of type '<U12' are not known")]
    [DataRow("<f4", "(3,)", "has 12 bytes, 8 follow its header; the file is cut off or damaged")]
    [DataRow("<f4", "(1,)", "has 4 bytes, 8 follow its header")]
    [DataRow("<f4", "(4294967296, 4294967296)", "is too large")]
    [DataRow("<f4", "(0, 4294967296, 4294967296)", "is too large")]
    [DataRow("<f4", "(99999999999999999999,)", "shape is no list of up to 16 sizes")]
    [DataRow("<f4", "(-1,)", "names no plain type, order and shape")]
    public void WhatCannotBeRead_SaysWhy(string description, string shape, string problem)
    {
        using var folder = TestData.NewFolder();
        File.WriteAllBytes(folder["a.npy"], Npy(description, shape, new byte[8]));
        var message = Refusal(() => NumpyArray.Read(folder["a.npy"]));
        Assert.StartsWith(folder["a.npy"], message);
        Assert.Contains(problem, message);
    }

    [TestMethod]
    public void PicklesAreNeverOpened()
    {
        using var folder = TestData.NewFolder();
        File.WriteAllBytes(folder["a.npy"], [0x80, 4, .. "cos\nsystem\n"u8]);
        Assert.Contains("a pickle or an archive, which may hold programs and is not opened", Refusal(() => NumpyArray.Read(folder["a.npy"])));
        WriteArchive(folder["b.npy"], CompressionLevel.NoCompression, ("data", []));
        Assert.Contains("not opened", Refusal(() => NumpyArray.Read(folder["b.npy"])));
    }

    [TestMethod]
    public void AnArchiveThatUnpacksToFarMore_IsNotBelieved()
    {
        using var folder = TestData.NewFolder();
        WriteArchive(folder["a.npz"], CompressionLevel.SmallestSize, ("zeros", Npy("|u1", "(200000000,)", new byte[200_000_000])));
        using var archive = NumpyArchive.Open(folder["a.npz"]);
        Assert.IsFalse(Fuzz.ReadsOrRefuses(() => archive.Read("zeros").Dispose(), new FileInfo(folder["a.npz"]).Length));
    }

    [NoTensorLeak]
    public void DamagedFiles_AreReadOrRefused()
    {
        using var folder = TestData.NewFolder();
        using var values = randn(4, 6);
        var npy = Npy("<f4", "(4, 6)", [.. Each<float>(BitConverter.GetBytes, values.data<float>().ToArray())]);
        WriteArchive(folder["sound.npz"], CompressionLevel.Optimal, ("a", npy), ("b", npy));
        Safetensors.Write(folder["sound.safetensors"], new Dictionary<string, Tensor> { ["a"] = values, ["b"] = values });
        var refused = 0;
        foreach (var (file, sound, read) in new (string, byte[], Action<string>)[]
        {
            ("f.npy", npy, path => NumpyArray.Read(path).Dispose()),
            ("f.npz", File.ReadAllBytes(folder["sound.npz"]), path =>
            {
                using var archive = NumpyArchive.Open(path);
                foreach (var name in archive.Names)
                {
                    archive.Read(name).Dispose();
                }
            }),
            ("f.safetensors", File.ReadAllBytes(folder["sound.safetensors"]), path =>
            {
                using var tensors = Safetensors.Open(path);
                foreach (var name in tensors.Names)
                {
                    tensors.Read(name).Dispose();
                }
            }),
        })
        {
            foreach (var input in Fuzz.Inputs(3, 1500, sound))
            {
                File.WriteAllBytes(folder[file], input);
                refused += Fuzz.ReadsOrRefuses(() => read(folder[file]), input.Length) ? 0 : 1;
            }
        }

        Assert.IsGreaterThan(2000, refused);
    }

    /// <summary>A file as NumPy writes it.</summary>
    public static byte[] Npy(string description, string shape, byte[] data, bool columnOrder = false, int version = 1)
    {
        var header = $"{{'descr': '{description}', 'fortran_order': {(columnOrder ? "True" : "False")}, 'shape': {shape}, }}";
        var prefix = version == 1 ? 10 : 12;
        header = header.PadRight(((header.Length + prefix + 1 + 63) / 64 * 64) - prefix - 1) + "\n";
        return
        [
            0x93, .. "NUMPY"u8, (byte)version, 0, .. version == 1 ? BitConverter.GetBytes((ushort)header.Length) : BitConverter.GetBytes(header.Length),
            .. Encoding.ASCII.GetBytes(header), .. data,
        ];
    }

    /// <summary>An archive as NumPy writes it.</summary>
    public static void WriteArchive(string path, CompressionLevel level, params (string Name, byte[] Npy)[] arrays)
    {
        using var archive = new ZipArchive(File.Create(path), ZipArchiveMode.Create);
        foreach (var (name, npy) in arrays)
        {
            using var entry = archive.CreateEntry(name + ".npy", level).Open();
            entry.Write(npy);
        }
    }

    private static IEnumerable<byte> Each<T>(Func<T, byte[]> bytes, T[] values) => values.SelectMany(bytes);

    private static string Refusal(Func<Tensor> read) => Assert.ThrowsExactly<InputException>(() => read().Dispose()).Message;
}
