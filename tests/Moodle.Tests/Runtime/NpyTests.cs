using System.IO.Compression;
using System.Text;
using Moodle.Runtime;
using Moodle.Tests.Support;
using static TorchSharp.torch;

namespace Moodle.Tests.Runtime;

[TestClass]
public sealed class NpyTests
{
    [NoTensorLeak]
    [DataRow("<f2", 2)]
    [DataRow("<f4", 4)]
    [DataRow("<f8", 8)]
    [DataRow("|i1", 1)]
    [DataRow("<i2", 2)]
    [DataRow("<i4", 4)]
    [DataRow("<i8", 8)]
    [DataRow("|u1", 1)]
    [DataRow("|b1", 1)]
    public void EveryType_IsReadInBothOrders(string type, int size)
    {
        using var scope = NewDisposeScope();
        using var folder = TestData.NewFolder();
        // 0 to 5, of which only the first two make sense as bool.
        var data = Enumerable.Range(0, 6).SelectMany(value => Bytes(type, type == "|b1" ? value % 2 : value)).ToArray();
        Assert.HasCount(6 * size, data);
        File.WriteAllBytes(folder["rows"], Array(type, "False", "(2, 3)", data));
        File.WriteAllBytes(folder["columns"], Array(type, "True", "(2, 3)", data, version: 2));
        var (rows, columns) = (Npy.Read(folder["rows"]), Npy.Read(folder["columns"]));
        CollectionAssert.AreEqual(new long[] { 2, 3 }, columns.shape);
        double[] byRow = type == "|b1" ? [0, 1, 0, 1, 0, 1] : [0, 1, 2, 3, 4, 5];
        double[] byColumn = type == "|b1" ? [0, 0, 0, 1, 1, 1] : [0, 2, 4, 1, 3, 5];
        CollectionAssert.AreEqual(byRow, rows.to(ScalarType.Float64).data<double>().ToArray());
        CollectionAssert.AreEqual(byColumn, columns.to(ScalarType.Float64).data<double>().ToArray());
    }

    [NoTensorLeak]
    public void ScalarsAndEmptyArrays_AreRead()
    {
        using var scope = NewDisposeScope();
        using var folder = TestData.NewFolder();
        File.WriteAllBytes(folder["scalar"], Array("<f4", "False", "()", Bytes("<f4", 3)));
        File.WriteAllBytes(folder["empty"], Array("<f4", "False", "(0, 7)", []));
        Assert.AreEqual(3f, Npy.Read(folder["scalar"]).item<float>());
        CollectionAssert.AreEqual(new long[] { 0, 7 }, Npy.Read(folder["empty"]).shape);
    }

    [TestMethod]
    [DataRow("|O", "False", "(2,)", 16, "pickle")]
    [DataRow(">f4", "False", "(2,)", 8, "has type >f4; known are")]
    [DataRow("<c8", "False", "(2,)", 16, "has type <c8")]
    [DataRow("<f4", "Maybe", "(2,)", 8, "no dictionary of descr")]
    [DataRow("<f4", "False", "(2, 3)", 8, "needs 24 bytes of data, but has 8")]
    [DataRow("<f4", "False", "(4611686018427387904, 4, 0)", 0, "too large")]
    [DataRow("<f4", "False", "(99999999999999999999,)", 0, "no tuple of whole numbers")]
    public void WhatCannotBeRead_IsSaid(string type, string order, string shape, int bytes, string expected)
    {
        using var folder = TestData.NewFolder();
        File.WriteAllBytes(folder["x.npy"], Array(type, order, shape, new byte[bytes]));
        var error = Assert.ThrowsExactly<InputException>(() => Npy.Read(folder["x.npy"]));
        Assert.StartsWith(folder["x.npy"] + ": ", error.Message);
        Assert.Contains(expected, error.Message);
    }

    [NoTensorLeak]
    [DataRow(CompressionLevel.NoCompression)]
    [DataRow(CompressionLevel.Optimal)]
    public void Archive_GivesItsArrays(CompressionLevel level)
    {
        using var scope = NewDisposeScope();
        using var folder = TestData.NewFolder();
        File.WriteAllBytes(folder["x.npz"], Archive(level));
        using var archive = Npz.Open(folder["x.npz"]);
        CollectionAssert.AreEqual(new[] { "0.bias", "0.weight" }, archive.Names.ToArray());
        CollectionAssert.AreEqual(new[] { 1f, 2f }, archive.Read("0.bias").data<float>().ToArray());
        Assert.Contains("no array \"1.bias\"", Assert.ThrowsExactly<InputException>(() => archive.Read("1.bias")).Message);
    }

    [NoTensorLeak]
    public void RandomAndTruncatedBytes_GiveOneLine()
    {
        using var folder = TestData.NewFolder();
        var random = new Random(7);
        byte[][] sound = [Array("<f4", "False", "(2, 3)", new byte[24]), Archive(CompressionLevel.NoCompression), Archive(CompressionLevel.Optimal)];
        for (var round = 0; round < 600; round++)
        {
            var bytes = sound[round % 3].ToArray();
            bytes = (round / 3 % 3) switch
            {
                0 => bytes[..random.Next(bytes.Length)],
                1 => Damage(bytes, random),
                _ => [.. Enumerable.Range(0, random.Next(200)).Select(_ => (byte)random.Next(256))],
            };
            File.WriteAllBytes(folder["x"], bytes);
            try
            {
                if (round % 3 == 0)
                {
                    Npy.Read(folder["x"]).Dispose();
                    continue;
                }

                using var archive = Npz.Open(folder["x"]);
                foreach (var name in archive.Names)
                {
                    archive.Read(name).Dispose();
                }
            }
            catch (InputException error)
            {
                Assert.StartsWith(folder["x"], error.Message);
                Assert.DoesNotContain("\n", error.Message);
            }
        }
    }

    /// <summary>A NumPy array file, written as NumPy does.</summary>
    internal static byte[] Array(string type, string order, string shape, byte[] data, int version = 1)
    {
        var lengthSize = version == 1 ? 2 : 4;
        var text = $"{{'descr': '{type}', 'fortran_order': {order}, 'shape': {shape}, }}";
        text = text.PadRight(((text.Length + 1 + 8 + lengthSize + 63) / 64 * 64) - 9 - lengthSize) + "\n";
        return [0x93, .. "NUMPY"u8, (byte)version, 0, .. BitConverter.GetBytes(text.Length)[..lengthSize], .. Encoding.Latin1.GetBytes(text), .. data];
    }

    private static byte[] Archive(CompressionLevel level)
    {
        using var stream = new MemoryStream();
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, shape, count) in ((string, string, int)[])[("0.weight", "(2, 2)", 4), ("0.bias", "(2,)", 2)])
            {
                using var entry = archive.CreateEntry(name + ".npy", level).Open();
                entry.Write(Array("<f4", "False", shape, [.. Enumerable.Range(1, count).SelectMany(value => Bytes("<f4", value))]));
            }
        }

        return stream.ToArray();
    }

    private static byte[] Damage(byte[] bytes, Random random)
    {
        for (var i = 0; i <= random.Next(4); i++)
        {
            bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
        }

        return bytes;
    }

    private static byte[] Bytes(string type, int value) => type switch
    {
        "<f2" => BitConverter.GetBytes((Half)value),
        "<f4" => BitConverter.GetBytes((float)value),
        "<f8" => BitConverter.GetBytes((double)value),
        "<i2" => BitConverter.GetBytes((short)value),
        "<i4" => BitConverter.GetBytes(value),
        "<i8" => BitConverter.GetBytes((long)value),
        _ => [(byte)value],
    };
}
