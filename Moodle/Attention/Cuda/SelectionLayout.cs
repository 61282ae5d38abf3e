namespace Moodle.Attention.Cuda;

/// <summary>
/// Where the parts of a <see cref="KernelSelection"/> lie in its two allocations, each at a multiple of 256 bytes. All is counted in elements of 4 bytes.
/// </summary>
internal sealed class SelectionLayout
{
    private const int Alike = 256 / sizeof(int);
    private const int ListedForRow = 2; // the pool's keys for every row and head

    /// <summary>Lays the parts out.</summary>
    /// <param name="layout">Of the sequences.</param>
    /// <param name="size">Size of a head; of 16 bits an element.</param>
    /// <param name="listsOfHead">The most lists of a head that are in memory at one time.</param>
    public SelectionLayout(KernelLayout layout, int size, long listsOfHead)
    {
        long end = 0;
        Part Next(long count)
        {
            var part = new Part((end + Alike - 1) / Alike * Alike, count);
            end = part.Start + count;
            return part;
        }

        var shape = layout.Shape;
        long heads = shape.Heads;
        (Heads, Rows) = (heads, shape.Rows);
        States = Next(heads * shape.Tiles * KernelLayout.TileRows * size);
        Maxima = Next(heads * Rows);
        UnitSums = Next(heads * shape.Blocks * 2 * (size + 1));
        Unfinished = end;
        end = 0;
        LogSums = Next(heads * Rows);
        MeanQueries = Next(heads * shape.Blocks * size / 2);
        Thresholds = Next(heads * shape.Blocks);
        Masks = Next(heads * layout.Slabs.Max(slab => slab.Words));
        Lists = Next(heads * listsOfHead * 2);
        Pool = Next(1 + (heads * Rows * ListedForRow));
        Kept = end;
    }

    /// <summary>Heads.</summary>
    public long Heads { get; }

    /// <summary>Tokens of all sequences.</summary>
    public long Rows { get; }

    /// <summary>Each row tile's unfinished output, in the order in which its threads hold it: float32.</summary>
    public Part States { get; }

    /// <summary>The largest logit of every row over its anchor region, in units of log 2: float32 [heads, rows].</summary>
    public Part Maxima { get; }

    /// <summary>Of every half of a block of 128 rows the sums of its queries and of its anchors: float32 [heads, 2 · blocks, d + 1].</summary>
    public Part UnitSums { get; }

    /// <summary>What these take together.</summary>
    public long Unfinished { get; }

    /// <summary>The rows' normalisers; after Finish the logarithms of those over all keys that they attend to: float32 [heads, rows].</summary>
    public Part LogSums { get; }

    /// <summary>Of the queries' type, [heads, blocks, d].</summary>
    public Part MeanQueries { get; }

    /// <summary>What a mean query's product with a key must reach: float32 [heads, blocks].</summary>
    public Part Thresholds { get; }

    /// <summary>A bit for each group and key, int32 [heads · words]; written only where a list has no room.</summary>
    public Part Masks { get; }

    /// <summary>For each group and chunk of keys where its list begins in the pool, or -1, and how many keys it has: int32, [heads, groups, chunks, 2] at the beginning.</summary>
    public Part Lists { get; }

    /// <summary>How much of it has been given away, then keys: int32.</summary>
    public Part Pool { get; }

    /// <summary>What all parts from the normalisers on take together.</summary>
    public long Kept { get; }

    /// <summary>A part of an allocation.</summary>
    /// <param name="Start">Elements before it.</param>
    /// <param name="Count">Its elements.</param>
    public readonly record struct Part(long Start, long Count);
}
