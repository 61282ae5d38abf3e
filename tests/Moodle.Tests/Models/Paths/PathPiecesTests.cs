using Moodle.Models.Paths;
using Moodle.Tests.Support;
using static TorchSharp.torch;

namespace Moodle.Tests.Models.Paths;

[TestClass]
public sealed class PathPiecesTests
{
    // Degrees at and around what a warp takes, what a block takes, and twice that.
    [NoTensorLeak]
    [DataRow(new[] { 0, 1, 256, 257, 2048, 2049, 4096, 4097, 20001, 5 })]
    [DataRow(new[] { 3, 2, 1 })]
    [DataRow(new[] { 300, 300 })]
    [DataRow(new int[0])]
    public void Pieces_ArePartsOfEachEntitysEdges_InOrder_AndNoneIsTooLarge(int[] degrees)
    {
        ArgumentNullException.ThrowIfNull(degrees);
        int[] offsets = [0, .. degrees.Select((_, entity) => degrees.Take(entity + 1).Sum())];
        using var pieces = new PathPieces(offsets, CPU);
        var all = Rows(pieces.Pieces);
        Assert.HasCount(pieces.Count, all);
        for (var entity = 0; entity < degrees.Length; entity++)
        {
            var own = all.Where(piece => piece[0] == entity).ToArray();
            Assert.AreEqual(offsets[entity], own[0][1]);
            Assert.AreEqual(offsets[entity + 1], own[^1][2]);
            Assert.IsTrue(own.Zip(own.Skip(1)).All(pair => pair.First[2] == pair.Second[1]), "nothing twice, nothing left out");
            Assert.IsTrue(own.Length == 1 ? own[0][3] == -1 : own.All(piece => piece[3] >= 0));
        }

        for (var i = 0; i < all.Length; i++)
        {
            // What a warp and a block of the kernels can take.
            Assert.IsLessThanOrEqualTo(i < pieces.SharedCount ? 2048 : 256, all[i][2] - all[i][1]);
        }

        CollectionAssert.AreEqual(Enumerable.Range(0, pieces.SlotCount).ToArray(), all.Select(piece => piece[3]).Where(slot => slot >= 0).ToArray());
        var joined = Rows(pieces.Joined);
        Assert.HasCount(pieces.JoinedCount, joined);
        foreach (var join in joined)
        {
            CollectionAssert.AreEqual(
                Enumerable.Range(join[1], join[2] - join[1] + 1).ToArray(), all.Where(piece => piece[0] == join[0]).Select(piece => piece[3]).ToArray());
        }

        Assert.HasCount(degrees.Count(degree => degree > 2048), joined);
    }

    private static int[][] Rows(Tensor list) => list.shape[0] == 0 ? [] : [.. list.data<int>().ToArray().Chunk(4)];
}
