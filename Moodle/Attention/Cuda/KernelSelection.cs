using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Attention.Cuda;

/// <summary>
/// What <see cref="CudaAttention.Select"/> leaves for what follows it, in two allocations: an allocation of its own for every part would take the host longer
/// than a short sequence takes the device. <see cref="SelectionLayout"/> says what the parts hold.
/// </summary>
internal sealed class KernelSelection
{
    // TorchScript refuses a view of another type, which TorchSharp does not bind.
    private static readonly TorchScript s_script = new("""
        def numbers(x: Tensor, type: int, heads: int, rows: int) -> Tensor:
            return torch.view_copy(x, dtype=type).view(heads, rows)
        """);

    private readonly SelectionLayout _layout;
    private readonly Tensor? _unfinished;
    private readonly nint _unfinishedAddress;
    private readonly nint _keptAddress;

    /// <summary>Allocates, in the caller's scope.</summary>
    /// <param name="layout">Where parts lie.</param>
    /// <param name="device">Where.</param>
    public KernelSelection(SelectionLayout layout, Device device)
        : this(layout, empty([layout.Kept], dtype: ScalarType.Int32, device: device))
    {
        _unfinished = empty([layout.Unfinished], dtype: ScalarType.Float32, device: device);
        _unfinishedAddress = _unfinished.Address();
    }

    /// <summary>After Finish: without states and maxima.</summary>
    /// <param name="layout">Where parts lie.</param>
    /// <param name="kept"><see cref="Kept"/> of the selection that was finished.</param>
    public KernelSelection(SelectionLayout layout, Tensor kept) => (_layout, Kept, _keptAddress) = (layout, kept, kept.Address());

    /// <summary>What the gradient needs too, int32: all but states and maxima.</summary>
    public Tensor Kept { get; }

    /// <summary>The address of the unfinished outputs.</summary>
    public nint States => _unfinishedAddress + Bytes(_layout.States);

    /// <summary>The address of the largest logits.</summary>
    public nint Maxima => _unfinishedAddress + Bytes(_layout.Maxima);

    /// <summary>The address of the sums of half blocks.</summary>
    public nint UnitSums => _unfinishedAddress + Bytes(_layout.UnitSums);

    /// <summary>The address of the normalisers.</summary>
    public nint LogSums => _keptAddress + Bytes(_layout.LogSums);

    /// <summary>The address of the mean queries.</summary>
    public nint MeanQueries => _keptAddress + Bytes(_layout.MeanQueries);

    /// <summary>The address of the thresholds.</summary>
    public nint Thresholds => _keptAddress + Bytes(_layout.Thresholds);

    /// <summary>The address of the masks.</summary>
    public nint Masks => _keptAddress + Bytes(_layout.Masks);

    /// <summary>The address of the lists' beginnings and lengths.</summary>
    public nint Lists => _keptAddress + Bytes(_layout.Lists);

    /// <summary>The address of the pool.</summary>
    public nint Pool => _keptAddress + Bytes(_layout.Pool);

    /// <summary>The pool's size, in ints, as far as the kernels count.</summary>
    public int PoolSize => (int)Math.Min(int.MaxValue, _layout.Pool.Count);

    /// <summary>A copy of the normalisers or their logarithms, float32 [heads, rows].</summary>
    public Tensor CopyLogSums()
    {
        using var integers = View(_layout.LogSums);
        return (Tensor)s_script.Invoke("numbers", integers, (long)ScalarType.Float32, _layout.Heads, _layout.Rows)!;
    }

    /// <summary>The masks as a tensor on the same memory.</summary>
    public Tensor ViewMasks() => View(_layout.Masks);

    /// <summary>The lists' beginnings and lengths as a tensor on the same memory.</summary>
    public Tensor ViewLists() => View(_layout.Lists);

    /// <summary>The pool as a tensor on the same memory.</summary>
    public Tensor ViewPool() => View(_layout.Pool);

    /// <summary>Stripes of every group, all heads together, int64 [groups].</summary>
    /// <param name="groups">Groups whose lists are in memory.</param>
    /// <param name="chunks">Chunks of keys, each with a list.</param>
    public Tensor CountStripes(int groups, int chunks)
    {
        using var counts = Kept.as_strided([_layout.Heads, groups, chunks], [2L * groups * chunks, 2L * chunks, 2], _layout.Lists.Start + 1);
        return counts.sum([0, 2], type: ScalarType.Int64);
    }

    /// <summary>Takes back what was given away of the pool.</summary>
    public void EmptyPool()
    {
        using var given = Kept.narrow(0, _layout.Pool.Start, 1);
        given.zero_();
    }

    /// <summary>Frees states and maxima.</summary>
    public void DisposeUnfinished() => _unfinished?.Dispose();

    private Tensor View(SelectionLayout.Part part) => Kept.narrow(0, part.Start, part.Count);

    private static nint Bytes(SelectionLayout.Part part) => checked((nint)(part.Start * sizeof(int)));
}
