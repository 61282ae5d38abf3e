using Moodle.Runtime;

namespace Moodle.Tests.Runtime;

[TestClass]
public sealed class ElfVersionsTests
{
    private static string Wrapper => LibTorch.NativeFolders()
        .Select(folder => Path.Combine(folder, "libLibTorchSharp.so"))
        .FirstOrDefault(File.Exists) ?? "";

    [TestMethod]
    public void MakeWeak_ChangesOneFlagOfTheNamedVersion()
    {
        if (Wrapper.Length == 0)
        {
            Assert.Inconclusive("TorchSharp's library for Linux is not here");
        }
        var original = File.ReadAllBytes(Wrapper);
        var patched = (byte[])original.Clone();
        Assert.IsTrue(ElfVersions.MakeWeak(patched, "GLIBCXX_3.4.32"));
        var changed = Enumerable.Range(0, original.Length).Where(i => original[i] != patched[i]).ToArray();
        Assert.HasCount(1, changed);
        Assert.AreEqual(2, patched[changed[0]]);
        Assert.IsFalse(ElfVersions.MakeWeak(patched, "GLIBCXX_9.9"));
    }

    [TestMethod]
    public void DamagedFiles_AreRefusedWithoutACrash()
    {
        Assert.ThrowsExactly<InvalidDataException>(() => ElfVersions.Defined("no ELF file"u8));
        if (Wrapper.Length == 0)
        {
            return;
        }
        var random = new SplitMix64(3);
        var original = File.ReadAllBytes(Wrapper);
        for (var round = 0; round < 50; round++)
        {
            // The section table stands at the end, what it describes near the start.
            var bad = (byte[])original.Clone();
            for (var i = 0; i < 200; i++)
            {
                bad[bad.Length - 1 - random.NextInt(3000)] = (byte)random.NextUInt64();
                bad[random.NextInt(64)] ^= (byte)(i == 0 ? random.NextUInt64() : 0);
            }
            try
            {
                ElfVersions.MakeWeak(bad, "GLIBCXX_3.4.32");
                ElfVersions.Defined(bad);
            }
            catch (Exception e) when (e is InvalidDataException or OverflowException)
            {
                // What LibTorch expects.
            }
        }
    }
}
