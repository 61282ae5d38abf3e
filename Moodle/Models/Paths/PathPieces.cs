using static TorchSharp.torch;

namespace Moodle.Models.Paths;

/// <summary>
/// How the edges of a graph are shared out on a GPU: a warp takes those of an entity, a block those of a hub, several blocks those of a large hub. Without the last, the
/// largest hub of FB15K-237 (7,614 edges) took as long as all other entities together.
/// </summary>
internal sealed class PathPieces : IDisposable
{
    // Entities with more edges than this are a block's; the kernels give a warp 256 at most, and a block eight times that.
    private const int HubDegree = 256;
    private const int BlockEdges = 2048;

    /// <summary>Shares the edges out.</summary>
    /// <param name="offsets">[|E| + 1]: where the edges of each entity begin.</param>
    /// <param name="device">Where the lists are to be; they are in no dispose scope.</param>
    public PathPieces(int[] offsets, Device device)
    {
        var (shared, single, joined) = (new List<int>(), new List<int>(), new List<int>());
        int Degree(int entity) => offsets[entity + 1] - offsets[entity];
        foreach (var entity in Enumerable.Range(0, offsets.Length - 1).OrderByDescending(Degree))
        {
            var (first, degree) = (offsets[entity], Degree(entity));
            if (degree <= HubDegree)
            {
                single.AddRange([entity, first, first + degree, -1]);
                continue;
            }

            var blocks = (degree + BlockEdges - 1) / BlockEdges;
            if (blocks > 1)
            {
                joined.AddRange([entity, SlotCount, SlotCount + blocks - 1, 0]);
            }

            for (var block = 0; block < blocks; block++)
            {
                shared.AddRange([entity, first + (int)((long)degree * block / blocks), first + (int)((long)degree * (block + 1) / blocks), blocks > 1 ? SlotCount++ : -1]);
            }
        }

        using var scope = NewDisposeScope();
        Tensor Keep(List<int> list) => tensor(list.ToArray()).view(-1, 4).to(device).DetachFromDisposeScope();
        (SharedCount, Count, JoinedCount) = (shared.Count / 4, (shared.Count + single.Count) / 4, joined.Count / 4);
        (Pieces, Joined) = (Keep([.. shared, .. single]), Keep(joined));
    }

    /// <summary>int32 [<see cref="Count"/>, 4]: entity, first edge, end, slot for what is found or -1 where these are all of its edges; first what blocks take.</summary>
    public Tensor Pieces { get; }

    /// <summary>How many pieces there are.</summary>
    public int Count { get; }

    /// <summary>How many of them are a block's.</summary>
    public int SharedCount { get; }

    /// <summary>How many pieces are not all of their entity's edges; their slots are 0 and up.</summary>
    public int SlotCount { get; }

    /// <summary>int32 [<see cref="JoinedCount"/>, 4]: the entities of several pieces, each with its first and its last slot.</summary>
    public Tensor Joined { get; }

    /// <summary>How many entities have several pieces.</summary>
    public int JoinedCount { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Pieces.Dispose();
        Joined.Dispose();
    }
}
