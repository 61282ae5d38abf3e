using System.Runtime.InteropServices;
using Moodle.Attention;
using Moodle.Attention.Cuda;
using Moodle.Tests.Support;
using static TorchSharp.torch;

namespace Moodle.Tests.Attention;

[TestClass]
public sealed class KernelLayoutTests
{
    private static readonly int[] s_lengths = [700, 1, 129, 64];

    [NoTensorLeak]
    public void Slabs_HoldEveryGroupAndWordOnce_AndNoMoreThanTheyMay()
    {
        var options = new AnchorAttentionOptions { Block = 16, Step = 3 };
        foreach (var most in new[] { 1L, 3000, 20_000, 1 << 20 })
        {
            var layout = new KernelLayout(s_lengths, 2, 64, packed: true, options, most, CPU, wide: false);
            var (group, strip, word) = (0, 0, 0L);
            foreach (var slab in layout.Slabs)
            {
                Assert.AreEqual((group, strip, word), (slab.FirstGroup, slab.FirstStrip, slab.FirstWord));
                Assert.IsTrue(slab.Strips == 1 || slab.Words * 2 * sizeof(int) <= most);
                (group, strip, word) = (group + slab.Groups, strip + slab.Strips, word + slab.Words);
            }

            Assert.AreEqual((layout.Groups, layout.Shape.Words), (group, word));
            Assert.AreEqual(s_lengths.Sum(length => AnchorGroup.Of(length, options).Length), layout.Groups);
            Dispose(layout);
        }
    }

    [NoTensorLeak]
    [DataRow(false, 1024, 16)]
    [DataRow(true, 2048, 8)]
    public void Screens_HoldEveryStripOnce_AndNoneOfTwoSequences(bool wide, int tokensOfStrip, int mostStrips)
    {
        var options = new AnchorAttentionOptions { Block = 16, Step = 64 };
        int[] lengths = [40_000, 1, 17_000];
        foreach (var most in new[] { 1L, 100_000, 1 << 30 })
        {
            var layout = new KernelLayout(lengths, 1, 64, packed: true, options, most, CPU, wide);
            Assert.AreEqual(tokensOfStrip, layout.BlocksOfStrip * options.Block);
            var screens = MemoryMarshal.Cast<byte, int>(layout.ScreenTable.data<byte>().ToArray()).ToArray();
            var strips = MemoryMarshal.Cast<byte, int>(layout.StripTable.data<byte>().ToArray()).ToArray(); // the sequence's first group, then the block
            foreach (var slab in layout.Slabs)
            {
                var own = screens[slab.FirstScreen..(slab.FirstScreen + slab.Screens + 1)];
                Assert.AreEqual((0, slab.Strips), (own[0], own[^1]));
                for (var i = 0; i < slab.Screens; i++)
                {
                    Assert.IsTrue(own[i + 1] - own[i] is > 0 && own[i + 1] - own[i] <= mostStrips);
                    Assert.AreEqual(strips[2 * (slab.FirstStrip + own[i])], strips[2 * (slab.FirstStrip + own[i + 1] - 1)]);
                }
            }

            Assert.IsTrue(most < 1 << 30 || layout.Slabs.Single().Screens == 3 + 1 + 2);
            Dispose(layout);
        }
    }

    [NoTensorLeak]
    [DataRow(true)]
    [DataRow(false)]
    public void Groups_TellWhereTheirSequenceBegins(bool packed)
    {
        var options = new AnchorAttentionOptions { Block = 16, Step = 4 };
        int[] lengths = packed ? [100, 70] : [100, 100];
        var layout = new KernelLayout(lengths, heads: 3, 64, packed, options, 1 << 20, CPU, wide: false);
        // Origin and mask, then row, block, length and start: groups of 64 rows.
        var table = MemoryMarshal.Cast<byte, long>(layout.GroupTable.data<byte>().ToArray()).ToArray();
        Assert.AreEqual(4 * 4, table.Length);
        Assert.AreEqual(packed ? 100 * 3 * 64 : 3 * 100 * 64, table[8]); // the third group is the second sequence's first
        Assert.AreEqual(4 + 4, table[9]); // after two masks of 128 keys
        CollectionAssert.AreEqual(new[] { 100, 7, lengths[1], 0 }, MemoryMarshal.Cast<long, int>(table.AsSpan(10, 2)).ToArray());
        Assert.AreEqual(packed ? (192, 64) : (64, 6400), (layout.Shape.RowStride, layout.Shape.HeadStride));
        Dispose(layout);
    }

    [TestMethod]
    public void GroupsOfTooManyBlocks_AreNotForTheKernels()
    {
        Assert.IsFalse(KernelLayout.Takes(100_000, new AnchorAttentionOptions { Block = 1, Step = 65 }));
        Assert.IsTrue(KernelLayout.Takes(64, new AnchorAttentionOptions { Block = 1, Step = 65 }));
        Assert.IsTrue(KernelLayout.Takes(100_000, new AnchorAttentionOptions { Block = 1, Step = 64 }));
    }

    private static void Dispose(KernelLayout layout)
    {
        layout.GroupTable.Dispose();
        layout.StripTable.Dispose();
        layout.ScreenTable.Dispose();
    }
}
