using Moodle.Attention;
using Moodle.Attention.Cuda;
using Moodle.Runtime;
using Moodle.Tests.Support;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Tests.Attention;

[TestClass]
public sealed class KernelSelectionTests
{
    [NoTensorLeak]
    [DataRow(64, 3, 1000, 1)]
    [DataRow(128, 1, 129, 7)]
    public void Parts_AreAligned_AndOverlapNowhere(int size, int heads, int length, int lists)
    {
        var layout = Layout([length, 1], heads, size);
        var parts = new SelectionLayout(layout, size, lists);
        AssertParts(parts.Unfinished, parts.States, parts.Maxima, parts.UnitSums);
        AssertParts(parts.Kept, parts.LogSums, parts.MeanQueries, parts.Thresholds, parts.Masks, parts.Lists, parts.Pool);
        Assert.AreEqual((length + 1L) * heads, parts.LogSums.Count);
        Assert.AreEqual((long)layout.Shape.Blocks * heads * size * 2, parts.MeanQueries.Count * sizeof(int));
        Assert.AreEqual(1 + (2L * (length + 1) * heads), parts.Pool.Count);
        Assert.AreEqual(2L * lists * heads, parts.Lists.Count);
        Assert.AreEqual(layout.Shape.Words * heads, parts.Masks.Count);
    }

    [NoTensorLeak]
    public void PartsOfLongSequences_AreCountedInLong()
    {
        var parts = new SelectionLayout(Layout([1 << 20], 64, 128), 128, 1 << 20);
        Assert.AreEqual((64L << 20) * 128, parts.States.Count);
        Assert.AreEqual(parts.States.Count, parts.Maxima.Start);
    }

    // The addresses that kernels get and the tensors that others read are of the same memory.
    [NoTensorLeak]
    public void Views_AreWhereTheKernelsWrite()
    {
        using var scope = NewDisposeScope();
        var parts = new SelectionLayout(Layout([200, 100], 2, 64), 64, 6);
        var selection = new KernelSelection(parts, CPU);
        selection.Kept.fill_(BitConverter.SingleToInt32Bits(1.5f));
        var sums = selection.CopyLogSums();
        CollectionAssert.AreEqual(new[] { 2L, 300 }, sums.shape);
        Assert.AreEqual(ScalarType.Float32, sums.dtype);
        Assert.IsTrue(sums.eq(1.5f).all().ToBoolean());
        Assert.AreEqual(selection.Kept.Address(), selection.LogSums);
        Assert.AreEqual(selection.Masks, selection.ViewMasks().Address());
        Assert.AreEqual(selection.Lists, selection.ViewLists().Address());
        Assert.AreEqual(selection.Pool, selection.ViewPool().Address());
        Assert.AreEqual(selection.Kept.Address(), new KernelSelection(parts, selection.Kept).LogSums);

        // Two heads, three groups, two chunks: where a list begins, and its length.
        selection.ViewLists().copy_(arange(24, dtype: ScalarType.Int32));
        CollectionAssert.AreEqual(new[] { 1L + 3 + 13 + 15, 5 + 7 + 17 + 19, 9 + 11 + 21 + 23 }, selection.CountStripes(3, 2).data<long>().ToArray());
        selection.EmptyPool();
        Assert.AreEqual(0, selection.ViewPool()[0].ToInt32());
        Assert.AreEqual(23, selection.ViewLists()[23].ToInt32());
        selection.DisposeUnfinished();
        Assert.IsFalse(selection.Kept.IsInvalid);
    }

    [TestMethod]
    public void Lengths_AreEqualByValue()
    {
        static SequenceLengths Key(params int[] lengths) => new(lengths);
        Assert.AreEqual(Key(3, 5), Key(3, 5));
        Assert.AreEqual(Key(3, 5).GetHashCode(), Key(3, 5).GetHashCode());
        Assert.AreNotEqual(Key(3, 5), Key(5, 3));
        Assert.AreNotEqual(Key(3, 5), Key(3, 5, 5));
    }

    private static void AssertParts(long all, params SelectionLayout.Part[] parts)
    {
        var end = 0L;
        foreach (var part in parts)
        {
            Assert.AreEqual(0, part.Start * sizeof(int) % 256);
            Assert.IsTrue(part.Start >= end && part.Count > 0);
            end = part.Start + part.Count;
        }

        Assert.AreEqual(all, end);
    }

    private static KernelLayout Layout(int[] lengths, int heads, int size)
    {
        var layout = new KernelLayout(lengths, heads, size, packed: true, new AnchorAttentionOptions(), CudaAttention.MostMaskBytes, CPU, wide: false);
        layout.GroupTable.Dispose();
        layout.StripTable.Dispose();
        layout.ScreenTable.Dispose();
        return layout;
    }
}
