using System.Runtime.InteropServices;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Attention.Cuda;

/// <summary>What all kernels are given; as <c>Shape</c> in Kernels/prelude.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct KernelShape
{
    /// <summary>Elements from a token to the next.</summary>
    public long RowStride;

    /// <summary>Elements from a head to the next.</summary>
    public long HeadStride;

    /// <summary>Mask words of a head.</summary>
    public long Words;

    /// <summary>Tokens of all sequences.</summary>
    public int Rows;

    /// <summary>Blocks of all sequences.</summary>
    public int Blocks;

    /// <summary>Heads.</summary>
    public int Heads;

    /// <summary>Row tiles of a head.</summary>
    public int Tiles;

    /// <summary>Rows of a group.</summary>
    public int GroupRows;

    /// <summary>As in <see cref="AnchorAttentionOptions"/>.</summary>
    public int Block;

    /// <inheritdoc cref="Block"/>
    public int Step;

    /// <inheritdoc cref="Block"/>
    public int Init;

    /// <inheritdoc cref="Block"/>
    public int Local;

    /// <inheritdoc cref="Block"/>
    public float Theta;

    /// <summary>Groups whose masks and lists are in memory.</summary>
    public int Groups;

    /// <summary>Keys that are looked at together, a multiple of 128: each group has a list for each such chunk.</summary>
    public int Chunk;

    /// <summary>Their number in the longest sequence.</summary>
    public int Chunks;
}

/// <summary>Groups whose masks are in memory at one time.</summary>
/// <param name="FirstGroup">The first group.</param>
/// <param name="Groups">Their number.</param>
/// <param name="FirstStrip">The first tile of mean queries.</param>
/// <param name="Strips">Their number.</param>
/// <param name="FirstWord">Mask words of a head before them.</param>
/// <param name="Words">Their mask words of a head.</param>
/// <param name="FirstScreen">Where its numbers begin in the table of screens.</param>
/// <param name="Screens">Ranges of strips that screen keys together.</param>
/// <param name="Length">Tokens of the longest of their sequences.</param>
internal readonly record struct MaskSlab(int FirstGroup, int Groups, int FirstStrip, int Strips, long FirstWord, long Words, int FirstScreen, int Screens, int Length);

/// <summary>How sequences, groups and masks lie in memory, for one batch of sequences; the tables that the kernels read are on the device.</summary>
internal sealed class KernelLayout
{
    /// <summary>Rows of a tile of the forward kernels and of <c>query_backward</c>.</summary>
    public const int TileRows = 128;

    /// <summary>Mean queries of a box of <c>mean_boxes</c>.</summary>
    public const int BoxBlocks = 16;

    private const int LeastStripBlocks = 64;
    private const int ScreenBoxes = 64; // of a tile of screen_keys

    private const int WordsAlike = 4; // masks begin at 16 bytes

    /// <summary>Lays sequences out.</summary>
    /// <param name="lengths">Their lengths.</param>
    /// <param name="heads">Heads.</param>
    /// <param name="size">Size of a head.</param>
    /// <param name="packed">Whether tensors are [tokens, heads, d]; else [batch, heads, n, d].</param>
    /// <param name="options">Options.</param>
    /// <param name="maskBytes">The most memory for masks of all heads at one time; at least one strip's groups are taken.</param>
    /// <param name="device">Where the tensors are.</param>
    /// <param name="wide">Whether the selection takes 128 mean queries at a time instead of 64.</param>
    public KernelLayout(IReadOnlyList<int> lengths, int heads, int size, bool packed, AnchorAttentionOptions options, long maskBytes, Device device, bool wide)
    {
        var longest = lengths.Max();
        var groupRows = (int)Math.Min(longest, (long)options.Block * options.Step);
        var (groups, strips, screens, slabs) = (new List<Group>(), new List<Strip>(), new List<int>(), new List<MaskSlab>());
        var step = StepOf(longest, options);
        StripBlocks = wide ? 2 * LeastStripBlocks : LeastStripBlocks;
        BlocksOfStrip = StripBlocks / step * step;
        int row = 0, block = 0;
        long word = 0;
        MaskSlab slab = default;
        for (var s = 0; s < lengths.Count; s++)
        {
            var length = lengths[s];
            var words = (length + (32 * WordsAlike) - 1) / (32 * WordsAlike) * WordsAlike;
            var blocks = (length + options.Block - 1) / options.Block;
            var (firstGroup, groupsOfStrip) = (groups.Count, BlocksOfStrip / step);
            var origin = packed ? (long)row * heads * size : (long)s * heads * length * size;
            var count = (length + groupRows - 1) / groupRows;
            for (var g = 0; g < count; g++)
            {
                groups.Add(new Group(origin, word + ((long)g * words), row, block, length, g * groupRows));
            }

            for (var first = 0; first < count; first += groupsOfStrip)
            {
                var taken = Math.Min(groupsOfStrip, count - first);
                if (slab.Groups > 0 && (slab.Words + ((long)taken * words)) * heads * sizeof(int) > maskBytes)
                {
                    slabs.Add(slab);
                    screens.Add(slab.Strips);
                    slab = new MaskSlab(slab.FirstGroup + slab.Groups, 0, strips.Count, 0, slab.FirstWord + slab.Words, 0, screens.Count, 0, 0);
                }

                if (slab.Screens == 0 || first == 0 || slab.Strips == screens[^1] + (ScreenBoxes * BoxBlocks / StripBlocks))
                {
                    screens.Add(slab.Strips);
                    slab = slab with { Screens = slab.Screens + 1 };
                }

                slab = slab with { Groups = slab.Groups + taken, Strips = slab.Strips + 1, Words = slab.Words + ((long)taken * words), Length = Math.Max(slab.Length, length) };
                strips.Add(new Strip(firstGroup, first * step));
            }

            word += (long)count * words;
            row += length;
            block += blocks;
        }

        slabs.Add(slab);
        screens.Add(slab.Strips);
        Lengths = [.. lengths];
        TilesOfGroup = (groupRows + TileRows - 1) / TileRows;
        Groups = groups.Count;
        Slabs = [.. slabs];
        var tables = Upload(device, Bytes(groups), Bytes(strips), Bytes(screens));
        (GroupTable, StripTable, ScreenTable) = (tables[0], tables[1], tables[2]);
        Shape = new KernelShape
        {
            RowStride = packed ? (long)heads * size : size,
            HeadStride = packed ? size : (long)longest * size,
            Words = word,
            Rows = row,
            Blocks = block,
            Heads = heads,
            Tiles = checked(Groups * TilesOfGroup),
            GroupRows = groupRows,
            Block = Math.Min(options.Block, longest),
            Step = step,
            Init = Math.Min(options.Init, longest),
            Local = Math.Min(options.Local, longest),
            Theta = (float)options.Theta,
        };
        AnchorKeys = (int)Math.Min(longest, groupRows + (2L * Shape.Local) + (2L * Shape.Init));
    }

    /// <summary>What the kernels are given.</summary>
    public KernelShape Shape { get; }

    /// <summary>The sequences' lengths.</summary>
    public IReadOnlyList<int> Lengths { get; }

    /// <summary>The number of groups.</summary>
    public int Groups { get; }

    /// <summary>Row tiles of a group.</summary>
    public int TilesOfGroup { get; }

    /// <summary>Mean queries of a tile of <c>select_stripes</c>.</summary>
    public int StripBlocks { get; }

    /// <summary>Mean queries of a strip, whole groups.</summary>
    public int BlocksOfStrip { get; }

    /// <summary>The most keys of an anchor region.</summary>
    public int AnchorKeys { get; }

    /// <summary>Which groups' masks are in memory together.</summary>
    public IReadOnlyList<MaskSlab> Slabs { get; }

    /// <summary>The groups, on the device.</summary>
    public Tensor GroupTable { get; }

    /// <summary>The tiles of mean queries, on the device.</summary>
    public Tensor StripTable { get; }

    /// <summary>For each slab the first strip of each of its screens, counted from the slab's first, and behind them the number of its strips; on the device.</summary>
    public Tensor ScreenTable { get; }

    /// <summary>Whether the kernels can be given sequences: blocks that share a list fit into one tile of mean queries.</summary>
    /// <param name="longest">Tokens of the longest sequence.</param>
    /// <param name="options">Options.</param>
    public static bool Takes(int longest, AnchorAttentionOptions options) => StepOf(longest, options) <= LeastStripBlocks;

    /// <summary>The address of a group in the table.</summary>
    public unsafe nint AddressOfGroup(int group) => GroupTable.Address() + (group * sizeof(Group));

    /// <summary>The address of a strip in the table.</summary>
    public unsafe nint AddressOfStrip(int strip) => StripTable.Address() + (strip * sizeof(Strip));

    /// <summary>The address of a number in the table of screens.</summary>
    public nint AddressOfScreen(int screen) => ScreenTable.Address() + (screen * sizeof(int));

    // No more than there are.
    private static int StepOf(int longest, AnchorAttentionOptions options) => Math.Min(options.Step, (int)((longest + (long)options.Block - 1) / options.Block));

    private static byte[] Bytes<T>(List<T> rows) where T : unmanaged => MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(rows)).ToArray();

    // At once, each at a multiple of 16 bytes: a batch of sequences has its own layout, and each upload takes the host's time.
    private static Tensor[] Upload(Device device, params byte[][] tables)
    {
        using var scope = NewDisposeScope();
        var lengths = Array.ConvertAll(tables, table => (long)(table.Length + 15) / 16 * 16);
        var all = new byte[lengths.Sum()];
        for (var (i, at) = (0, 0L); i < tables.Length; at += lengths[i++])
        {
            tables[i].CopyTo(all, at);
        }

        return [.. tensor(all, dtype: ScalarType.Byte).Upload(device).split(lengths).Zip(tables, (part, table) => part.narrow(0, 0, table.Length).DetachFromDisposeScope())];
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Group(long Origin, long Mask, int Row, int Block, int Length, int Start);

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Strip(int Group, int Block);
}
