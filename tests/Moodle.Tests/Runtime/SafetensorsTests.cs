using System.Buffers.Binary;
using System.Text;
using Moodle.Runtime;
using Moodle.Tests.Support;
using static TorchSharp.torch;

namespace Moodle.Tests.Runtime;

[TestClass]
public sealed class SafetensorsTests
{
    private static readonly ScalarType[] s_types =
    [
        ScalarType.Float32, ScalarType.Float64, ScalarType.Float16, ScalarType.BFloat16,
        ScalarType.Int64, ScalarType.Int32, ScalarType.Byte, ScalarType.Bool,
    ];

    [NoTensorLeak]
    public void EveryType_ComesBackAsItWas()
    {
        using var scope = NewDisposeScope();
        using var folder = TestData.NewFolder();
        manual_seed(1);
        var tensors = s_types.ToDictionary(type => $"a \"{type}\" é", type => (randn(3, 5) * 100).abs().to(type));
        tensors["scalar"] = tensor(2.5f);
        tensors["empty"] = zeros(0, 4);
        tensors["transposed"] = randn(4, 6).t();
        tensors["parameter"] = randn(2, requires_grad: true);
        Safetensors.Write(folder["x"], tensors, new Dictionary<string, string> { ["note"] = "line\nü", ["empty"] = "" });

        using var file = Safetensors.Open(folder["x"]);
        CollectionAssert.AreEqual(tensors.Keys.Order(StringComparer.Ordinal).ToArray(), file.Names.ToArray());
        Assert.AreEqual("line\nü", file.Metadata["note"]);
        Assert.AreEqual("", file.Metadata["empty"]);
        foreach (var (name, expected) in tensors)
        {
            var read = file.Read(name);
            Assert.AreEqual(expected.dtype, read.dtype);
            Assert.AreEqual(expected.dtype, file.TypeOf(name));
            CollectionAssert.AreEqual(expected.shape, read.shape);
            CollectionAssert.AreEqual(expected.shape, file.ShapeOf(name).ToArray());
            Assert.IsTrue(read.equal(expected.detach()).all().item<bool>(), name);
        }
    }

    [NoTensorLeak]
    public void Write_FollowsTheFormat()
    {
        using var folder = TestData.NewFolder();
        using var one = tensor(new[] { 1f, 2f });
        Safetensors.Write(folder["x"], new Dictionary<string, Tensor> { ["w"] = one });
        var bytes = File.ReadAllBytes(folder["x"]);
        var length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        Assert.AreEqual(0, length % 8);
        Assert.AreEqual("""{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", Encoding.UTF8.GetString(bytes, 8, length).TrimEnd(' '));
        Assert.AreEqual(8 + length + 8, bytes.Length);
    }

    [NoTensorLeak]
    public void Write_RefusesOtherTypesAndLeavesNothing()
    {
        using var folder = TestData.NewFolder();
        using var complex = zeros(1, dtype: ScalarType.ComplexFloat32);
        Assert.ThrowsExactly<ArgumentException>(() => Safetensors.Write(folder["x"], new Dictionary<string, Tensor> { ["c"] = complex }));
        Assert.IsEmpty(Directory.GetFileSystemEntries(folder.Path));
    }

    [TestMethod]
    [DataRow("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}""", 8, "no valid JSON", DisplayName = "duplicate name")]
    [DataRow("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}""", 6, "overlaps", DisplayName = "overlap")]
    [DataRow("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}""", 6, "belong to none", DisplayName = "gap")]
    [DataRow("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 6, "at its end", DisplayName = "rest")]
    [DataRow("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 3, "cut off", DisplayName = "cut off")]
    [DataRow("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}}""", 4, "cut off or damaged", DisplayName = "backwards")]
    [DataRow("""{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,4]}}""", 4, "instead of 16", DisplayName = "wrong size")]
    [DataRow("""{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}""", 0, "too large", DisplayName = "overflow")]
    [DataRow("""{"a":{"dtype":"U8","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}}""", 0, "too large", DisplayName = "overflow beside zero")]
    [DataRow("""{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}}""", 0, "no whole number", DisplayName = "negative size")]
    [DataRow("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1e40]}}""", 1, "no whole number", DisplayName = "huge offset")]
    [DataRow("""{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}""", 1, "F8_E4M3; known are", DisplayName = "unknown type")]
    [DataRow("""{"a":{"dtype":"U8","shape":[1]}}""", 1, "lacks", DisplayName = "no offsets")]
    [DataRow("""{"a":[1]}""", 0, "lacks", DisplayName = "no object")]
    [DataRow("""{"__metadata__":{"a":1}}""", 0, "no valid JSON", DisplayName = "metadata of numbers")]
    [DataRow("[]", 0, "no JSON object", DisplayName = "array")]
    [DataRow("{", 0, "no valid JSON", DisplayName = "broken JSON")]
    public void MalformedFiles_AreNamedWithTheReason(string json, int dataLength, string reason)
    {
        using var folder = TestData.NewFolder();
        WriteFile(folder["bad.safetensors"], (ulong)Encoding.UTF8.GetByteCount(json), json, dataLength);
        var error = Assert.ThrowsExactly<InputException>(() => Safetensors.Open(folder["bad.safetensors"]));
        Assert.StartsWith(folder["bad.safetensors"] + ": no valid safetensors file: ", error.Message);
        Assert.Contains(reason, error.Message);
        Assert.DoesNotContain("\n", error.Message);
    }

    [TestMethod]
    [DataRow(100_000_001ul, "more than the 100000000")]
    [DataRow(ulong.MaxValue, "more than the 100000000")]
    [DataRow(3ul, "but 2 follow")]
    public void HeaderLength_IsChecked(ulong length, string reason)
    {
        using var folder = TestData.NewFolder();
        WriteFile(folder["x"], length, "{}", 0);
        Assert.Contains(reason, Assert.ThrowsExactly<InputException>(() => Safetensors.Open(folder["x"])).Message);
    }

    [TestMethod]
    public void ShortAndMissingFiles_AreInputErrors()
    {
        using var folder = TestData.NewFolder();
        File.WriteAllBytes(folder["short"], [1, 2, 3]);
        Assert.Contains("3 bytes", Assert.ThrowsExactly<InputException>(() => Safetensors.Open(folder["short"])).Message);
        Assert.Contains(folder["none"], Assert.ThrowsExactly<InputException>(() => Safetensors.Open(folder["none"])).Message);
    }

    [TestMethod]
    public void UnknownTensor_IsAnInputError()
    {
        using var folder = TestData.NewFolder();
        Safetensors.Write(folder["x"], new Dictionary<string, Tensor>());
        using var file = Safetensors.Open(folder["x"]);
        Assert.IsFalse(file.Contains("w"));
        Assert.Contains("\"w\"", Assert.ThrowsExactly<InputException>(() => file.Read("w")).Message);
    }

    [NoTensorLeak]
    public void DamagedFiles_AreReadOrRefused()
    {
        using var scope = NewDisposeScope();
        using var folder = TestData.NewFolder();
        var tensors = s_types.ToDictionary(type => type.ToString(), type => ones(2, 3).to(type));
        Safetensors.Write(folder["good"], tensors, new Dictionary<string, string> { ["key"] = "text" });
        var good = File.ReadAllBytes(folder["good"]);
        var random = new SplitMix64(11);
        for (var round = 0; round < 500; round++)
        {
            var bad = good.AsSpan(0, round % 3 == 0 ? random.NextInt(good.Length) : good.Length).ToArray();
            for (var i = random.NextInt(4); i >= 0 && bad.Length > 0; i--)
            {
                bad[random.NextInt(bad.Length)] = (byte)random.NextUInt64();
            }
            File.WriteAllBytes(folder["bad"], bad);
            try
            {
                using var file = Safetensors.Open(folder["bad"]);
                foreach (var name in file.Names)
                {
                    file.Read(name).Dispose();
                }
            }
            catch (InputException)
            {
                // Refused with a message, as it should be.
            }
        }
    }

    private static void WriteFile(string path, ulong length, string json, int dataLength)
    {
        var head = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(head, length);
        File.WriteAllBytes(path, [.. head, .. Encoding.UTF8.GetBytes(json), .. new byte[dataLength]]);
    }
}
