using Moodle.Runtime;
using Moodle.Runtime.Cuda;
using static TorchSharp.torch;

namespace Moodle.Attention.Cuda;

/// <summary>
/// AnchorAttention by the kernels in Kernels/*.cu, over all sequences and heads at once. Forward are three launches: rows over their anchor region, with mean
/// queries and thresholds of blocks (a fourth one has these where blocks or rows are of another size); the stripes of every group, as lists, before which two launches leave out what none can select where sequences are long;
/// rows over their stripes. All stays on the device and the host waits for nothing: lists share a pool of a size fixed ahead, and what finds no room there is
/// kept as bits; where the bits of all groups would be too many, groups take turns. Instances hold no state of a call.
/// </summary>
internal sealed unsafe class CudaAttention
{
    /// <summary>The most memory for masks of all heads.</summary>
    public const long MostMaskBytes = 256L << 20;

    /// <summary>Tokens of the longest sequence from which on keys are screened before they are looked at; below, looking at all is faster.</summary>
    public const int ScreenedFrom = 1 << 17;

    private const int KeysAtOnce = 64;
    private const int KeyBlock = 128;
    private const int Window = 2048;
    private const int MeansAtOnce = 192; // mean queries that a multiprocessor should have
    private const int ScreenShare = 1024; // keys of a block of screen_keys
    private const int MostBitsOfChunk = 48 << 10; // bytes of shared memory
    private readonly KernelLayout _layout;
    private readonly CudaModule _kernels;
    private readonly int _size;
    private readonly bool _deterministic;
    private readonly int _multiprocessors;
    private readonly bool _hopper;
    private readonly int _screenedFrom;
    private readonly KernelShape[] _shapes; // of the slabs
    private readonly SelectionLayout _parts;

    /// <summary>Takes the layout of the tensors to come.</summary>
    /// <param name="layout">The layout.</param>
    /// <param name="size">Size of a head, 64 or 128.</param>
    /// <param name="type">bfloat16 or float16.</param>
    /// <param name="options">Options.</param>
    /// <param name="device">The GPU.</param>
    /// <param name="screenedFrom">Tokens of the longest sequence from which on keys are screened: that changes no result.</param>
    /// <exception cref="CudaException">The kernels cannot be compiled or loaded.</exception>
    public CudaAttention(KernelLayout layout, int size, ScalarType type, AnchorAttentionOptions options, Device device, int screenedFrom = ScreenedFrom)
    {
        (_layout, _size, _deterministic, _screenedFrom) = (layout, size, options.Deterministic, screenedFrom);
        _kernels = AttentionKernels.For(device, size, type, options.Causal);
        var gpu = CudaDriver.Device(device.index);
        (_multiprocessors, _hopper) = (gpu.Multiprocessors, AttentionKernels.IsHopper(gpu));
        _shapes = [.. layout.Slabs.Select(Shape)];
        _parts = new SelectionLayout(layout, size, _shapes.Max(shape => (long)shape.Groups * shape.Chunks));
    }

    private int Pieces => _size / 8; // of 16 bytes in a row

    // Whether forward is that of forward_wide.cu: three warp groups of 64 rows, and one that copies.
    private bool IsWide => _hopper && _size == 128;

    private int ForwardThreads => IsWide ? 4 * 128 : _hopper ? 256 : 128;

    private int ForwardRows => IsWide ? 3 * 64 : KernelLayout.TileRows;

    // Of query_wide.cu: so many warp groups of 64 rows, and one that copies.
    private int QueryUnits => _size == 64 ? 3 : 2;

    private int QueryThreads => _hopper ? 128 * (1 + QueryUnits) : 256;

    private int QueryRows => _hopper ? 64 * QueryUnits : KernelLayout.TileRows;

    private int QueryStages => _hopper ? (_size == 64 ? 5 : 4) : 2;

    /// <summary>
    /// Rows over their anchor region, and which keys they take beside it. Launches only, as everything here: numbers come to be on the device later.
    /// </summary>
    /// <param name="q">[tokens, heads, d] or [batch, heads, n, d], contiguous, as the layout says.</param>
    /// <param name="k">The same.</param>
    /// <param name="v">The same.</param>
    /// <param name="times">Where the time of each part is added up, or null.</param>
    /// <exception cref="CudaException">A launch was refused.</exception>
    public KernelSelection Select(Tensor q, Tensor k, Tensor v, PartTimes? times = null)
    {
        var shape = _layout.Shape;
        var selection = new KernelSelection(_parts, q.device);
        times?.Start();
        if (IsWide)
        {
            _kernels.Launch("anchor_forward", RowGrid(_layout.Groups, ForwardRows), ForwardThreads, ForwardShared, shape,
                q.Address(), k.Address(), v.Address(), selection.States, selection.Maxima, selection.LogSums, selection.UnitSums, selection.Pool, _layout.AddressOfGroup(0));
        }
        else
        {
            _kernels.Launch("anchor_forward", RowGrid(_layout.Groups, ForwardRows), ForwardThreads, ForwardShared, shape,
                q.Address(), k.Address(), v.Address(), selection.States, selection.Maxima, selection.LogSums, selection.MeanQueries, selection.Thresholds,
                selection.Pool, _layout.AddressOfGroup(0));
        }

        times?.EndAnchor();
        var blocks = ((long)_layout.Groups * shape.Step, shape.Heads);
        if (shape.Block != KernelLayout.TileRows)
        {
            _kernels.Launch("block_means", blocks, 128, 0, shape,
                q.Address(), selection.Maxima, selection.MeanQueries, selection.Thresholds, _layout.AddressOfGroup(0));
        }
        else if (IsWide)
        {
            _kernels.Launch("unit_means", blocks, _size / 2, 0, shape, selection.UnitSums, selection.MeanQueries, selection.Thresholds, _layout.AddressOfGroup(0));
        }

        if (_layout.Slabs.Count == 1)
        {
            Choose(0, k, selection);
        }

        times?.EndSelection();
        GC.KeepAlive(_layout);
        return selection;
    }

    /// <summary>Attends: goes on from a selection, whose sums it turns into logarithms of normalisers, over the stripes.</summary>
    /// <param name="q">As in <see cref="Select"/>.</param>
    /// <param name="k">The same.</param>
    /// <param name="v">The same.</param>
    /// <param name="selection">What Select left; its states and maxima are freed.</param>
    /// <param name="times">Where the time of each part is added up, or null.</param>
    /// <returns>The output, as q.</returns>
    /// <exception cref="CudaException">A launch was refused.</exception>
    public Tensor Finish(Tensor q, Tensor k, Tensor v, KernelSelection selection, PartTimes? times = null)
    {
        var output = empty_like(q);
        times?.Start();
        for (var s = 0; s < _shapes.Length; s++)
        {
            var mask = MaskOf(s, k, selection);
            times?.EndSelection();
            var (shape, first) = (_shapes[s], _layout.Slabs[s].FirstGroup);
            var tile = (long)first * _layout.TilesOfGroup;
            _kernels.Launch("stripe_forward", RowGrid(shape.Groups, ForwardRows), ForwardThreads, ForwardShared, shape,
                q.Address(), k.Address(), v.Address(), selection.States + (nint)(tile * KernelLayout.TileRows * _size * sizeof(float)),
                selection.Maxima, selection.LogSums, mask, selection.Pool, selection.Lists, output.Address(), _layout.AddressOfGroup(first));
            times?.EndSparse();
        }

        selection.DisposeUnfinished();
        GC.KeepAlive(_layout);
        return output;
    }

    /// <summary>A selection that was finished, of what <see cref="KernelSelection.Kept"/> holds.</summary>
    public KernelSelection Finished(Tensor kept) => new(_parts, kept);

    /// <summary>The gradients of q, k and v, of their type.</summary>
    /// <param name="grad">Of the output; contiguous.</param>
    /// <param name="q">As in <see cref="Select"/>.</param>
    /// <param name="k">The same.</param>
    /// <param name="v">The same.</param>
    /// <param name="output">What <see cref="Finish"/> returned.</param>
    /// <param name="selection">What it used.</param>
    /// <param name="times">Where the time of each part is added up, or null: the rows' part counts as anchor, the keys' part as sparse.</param>
    /// <exception cref="CudaException">A launch was refused.</exception>
    public (Tensor Q, Tensor K, Tensor V) Backward(Tensor grad, Tensor q, Tensor k, Tensor v, Tensor output, KernelSelection selection, PartTimes? times = null)
    {
        using var none = no_grad();
        using var scope = NewDisposeScope();
        var all = _layout.Shape;
        var rowSums = empty(all.Heads, all.Rows, 2, dtype: ScalarType.Float32, device: q.device);
        var dq = empty_like(q);
        var (dk, dv) = (zeros_like(k, dtype: ScalarType.Float32), zeros_like(v, dtype: ScalarType.Float32));
        var anchorTiles = (_layout.AnchorKeys + KeysAtOnce - 1) / KeysAtOnce;
        // Enough blocks for stripes to fill the device, beside those for anchor regions.
        var workers = (int)Math.Clamp(4L * _multiprocessors / ((long)_layout.Groups * all.Heads), 1, 8);
        times?.Start();
        for (var s = 0; s < _shapes.Length; s++)
        {
            var mask = MaskOf(s, k, selection);
            var shape = _shapes[s];
            var groups = _layout.AddressOfGroup(_layout.Slabs[s].FirstGroup);
            times?.EndSelection();
            _kernels.Launch("query_backward", RowGrid(shape.Groups, QueryRows), QueryThreads, QueryShared, shape,
                q.Address(), k.Address(), v.Address(), output.Address(), grad.Address(), selection.LogSums, mask,
                selection.Pool, selection.Lists, rowSums.Address(), dq.Address(), groups);
            times?.EndAnchor();
            using var turns = _deterministic ? zeros(shape.Heads, dtype: ScalarType.Int32, device: q.device) : null;
            _kernels.Launch("key_backward", ((long)(anchorTiles + workers) * shape.Heads * shape.Groups, 1), KeyBlock, KeyShared, shape,
                q.Address(), k.Address(), v.Address(), grad.Address(), rowSums.Address(), mask,
                selection.Pool, selection.Lists, dk.Address(), dv.Address(),
                turns?.Address() ?? 0, anchorTiles, workers, groups);
            times?.EndSparse();
        }

        GC.KeepAlive(selection.Kept);
        GC.KeepAlive(_layout);
        return (dq.MoveToOuterDisposeScope(), dk.to(k.dtype).MoveToOuterDisposeScope(), dv.to(v.dtype).MoveToOuterDisposeScope());
    }

    /// <summary>How many stripes each group has, all heads together: int64 [groups].</summary>
    /// <param name="k">As in <see cref="Select"/>.</param>
    /// <param name="selection">What Select left.</param>
    public Tensor CountStripes(Tensor k, KernelSelection selection)
    {
        using var scope = NewDisposeScope();
        var counts = new Tensor[_shapes.Length];
        for (var s = 0; s < counts.Length; s++)
        {
            MaskOf(s, k, selection);
            counts[s] = selection.CountStripes(_shapes[s].Groups, _shapes[s].Chunks);
        }

        return (counts.Length == 1 ? counts[0] : cat(counts, 0)).MoveToOuterDisposeScope();
    }

    /// <summary>What the kernels are given for a slab of the layout.</summary>
    /// <param name="slab">Its index.</param>
    public KernelShape ShapeOf(int slab) => _shapes[slab];

    // Of kernels whose blocks have so many rows of a group.
    private (long Blocks, int Heads) RowGrid(int groups, int rows) => ((long)groups * ((_layout.Shape.GroupRows + rows - 1) / rows), _layout.Shape.Heads);

    private KernelShape Shape(MaskSlab slab)
    {
        // Chunks of keys: large ones read the mean queries less often and make few lists, as long as they fill the device and two blocks of Hopper's have room on a multiprocessor.
        var chunk = (_size == 64 ? 4096 : 2048) * (IsScreened(slab) ? 2 : 1);
        int Chunks() => (slab.Length + chunk - 1) / chunk;
        while (chunk > 128 && ((long)Chunks() * slab.Strips * _layout.StripBlocks * _layout.Shape.Heads < (long)MeansAtOnce * _multiprocessors || BitsOfChunk(slab, chunk) > MostBitsOfChunk))
        {
            chunk /= 2;
        }

        return _layout.Shape with { Words = slab.Words, Groups = slab.Groups, Chunk = chunk, Chunks = Chunks() };
    }

    private bool IsScreened(MaskSlab slab) => slab.Length >= _screenedFrom;

    // Where the masks of all groups would begin, if they were all there; those of the slab's groups are, and their lists. Several slabs take turns.
    private nint MaskOf(int slab, Tensor k, KernelSelection selection)
    {
        if (_shapes.Length > 1)
        {
            Choose(slab, k, selection);
        }

        return AddressOf(_layout.Slabs[slab], selection);
    }

    private static nint AddressOf(MaskSlab slab, KernelSelection selection) => selection.Masks - (nint)(slab.FirstWord * sizeof(int));

    private void Choose(int index, Tensor k, KernelSelection selection)
    {
        if (_shapes.Length > 1)
        {
            selection.EmptyPool(); // what the slab before was given; anchor_forward begins with none
        }

        var (slab, shape) = (_layout.Slabs[index], _shapes[index]);
        var (strips, groups) = (_layout.AddressOfStrip(slab.FirstStrip), _layout.AddressOfGroup(0));
        using var screen = IsScreened(slab) ? Screen(slab, shape, k, selection) : null;
        _kernels.Launch(screen is null ? "select_stripes" : "select_screened", ((long)slab.Strips * shape.Chunks, shape.Heads), SelectThreads, SelectShared(screen is not null) + BitsOfChunk(slab, shape.Chunk), shape,
            selection.MeanQueries, selection.Thresholds, k.Address(), screen?.Address() ?? 0, AddressOf(slab, selection),
            selection.Lists, selection.Pool, selection.PoolSize, strips, _layout.BlocksOfStrip, slab.FirstGroup, groups);
    }

    // A bit for each strip and key: what no block of the strip can select is 0.
    private Tensor Screen(MaskSlab slab, KernelShape shape, Tensor k, KernelSelection selection)
    {
        var count = _layout.StripBlocks / KernelLayout.BoxBlocks;
        using var boxes = empty([shape.Heads, slab.Strips, count, 2, _size], dtype: k.dtype, device: k.device);
        using var reaches = empty(shape.Heads, slab.Strips, count, dtype: ScalarType.Float32, device: k.device);
        var screen = empty(shape.Heads, slab.Strips, (long)shape.Chunks * shape.Chunk / 32, dtype: ScalarType.Int32, device: k.device);
        var (strips, groups) = (_layout.AddressOfStrip(slab.FirstStrip), _layout.AddressOfGroup(0));
        _kernels.Launch("mean_boxes", (slab.Strips, shape.Heads), 128, 0, shape,
            selection.MeanQueries, selection.Thresholds, boxes.Address(), reaches.Address(), strips, _layout.BlocksOfStrip, groups);
        var shares = (slab.Length + ScreenShare - 1) / ScreenShare;
        _kernels.Launch("screen_keys", ((long)slab.Screens * shares, shape.Heads), 128, 0, shape,
            boxes.Address(), reaches.Address(), k.Address(), screen.Address(), strips, _layout.AddressOfScreen(slab.FirstScreen),
            slab.Strips, _layout.BlocksOfStrip, ScreenShare, shares, groups);
        return screen;
    }

    // As the structures of the same names in the sources: pieces of 16 bytes, lists, and what else there is.
    private int ForwardShared => (16 * Pieces * (ForwardRows + (2 * ForwardStages * KeysAtOnce))) + (Window * sizeof(int)) + (IsWide ? 2 * ForwardStages * sizeof(long) : 0);

    private int ForwardStages => IsWide ? 5 : _size == 64 ? 3 : 2;

    private int SelectThreads => _hopper ? 256 : 128;

    // Keys that lie there together: a tile, or two.
    private int SelectShared(bool screened)
    {
        var keys = !_hopper ? 128 : (_size == 64 ? 128 : 64) * (screened ? 1 : 2);
        return (16 * Pieces * (_layout.StripBlocks + (2 * keys))) + (_layout.StripBlocks * 36) + (SelectThreads / 32 * sizeof(int));
    }

    // Behind it, for each group and slot a bit; and two bytes for each key that a screen may leave.
    private int BitsOfChunk(MaskSlab slab, int chunk) => (_layout.BlocksOfStrip / _layout.Shape.Step * chunk / 8) + (IsScreened(slab) ? chunk * sizeof(short) : 0);

    private int QueryShared => (16 * Pieces * ((2 * QueryRows) + (2 * QueryStages * KeysAtOnce))) + (Window * sizeof(int)) + (_hopper ? 2 * QueryStages * sizeof(long) : 0);

    private int KeyShared
    {
        get
        {
            var rows = _hopper || _size == 64 ? 64 : 32;
            return (16 * ((2 * KeysAtOnce * Pieces) + (4 * rows * Pieces))) + (4 * rows * sizeof(float)) + (Window * sizeof(int));
        }
    }
}
