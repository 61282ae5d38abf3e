using Moodle.Runtime.Cuda;
using static TorchSharp.torch;

namespace Moodle.Attention.Cuda;

/// <summary>AnchorAttention by kernels, for a batch of sequences.</summary>
internal sealed class Kernels
{
    private readonly AnchorAttentionOptions _options;
    private readonly int[] _groupRows;
    private readonly double _anchorPairs; // of all heads
    private readonly double _allowedPairs;

    /// <summary>Puts together what belongs together.</summary>
    /// <param name="attention">The kernels.</param>
    /// <param name="layout">Their layout.</param>
    /// <param name="options">Their options.</param>
    public Kernels(CudaAttention attention, KernelLayout layout, AnchorAttentionOptions options)
    {
        (Attention, _options) = (attention, options);
        var groups = layout.Lengths.SelectMany(length => AnchorGroup.Of(length, options)).ToArray();
        double heads = layout.Shape.Heads;
        _groupRows = Array.ConvertAll(groups, group => group.Rows);
        _anchorPairs = heads * groups.Sum(group => (double)group.AnchorPairs(options.Causal));
        _allowedPairs = _anchorPairs + (heads * groups.Sum(group => (double)group.Candidates * group.Rows));
    }

    /// <summary>The kernels.</summary>
    public CudaAttention Attention { get; }

    /// <summary>Whether the kernels attend to such tensors.</summary>
    /// <param name="query">[tokens, heads, d] or [batch, heads, n, d].</param>
    /// <param name="longest">Tokens of the longest sequence.</param>
    /// <param name="options">Options.</param>
    /// <exception cref="InputException">The options ask for kernels, and the device cannot run them.</exception>
    public static bool Take(Tensor query, int longest, AnchorAttentionOptions options)
    {
        if (options.Implementation is not (AttentionImplementation.Auto or AttentionImplementation.Cuda))
        {
            return false;
        }

        var reason = CudaSupport.WhyNot(query.device);
        if (reason is not null && options.Implementation == AttentionImplementation.Cuda)
        {
            throw new InputException($"anchor attention: implementation cuda: {reason}; take auto or mend that");
        }

        var (last, packed) = ((int)query.dim() - 1, query.dim() == 3);
        var row = query.size(last) * (packed ? query.size(1) : 1) * sizeof(short);
        return reason is null && AttentionKernels.Takes(query.dtype, query.size(last)) && KernelLayout.Takes(longest, options)
            && longest * row <= uint.MaxValue; // keys of a sequence are addressed by 32 bits
    }

    /// <summary>The kernels for sequences, or null where others attend to them.</summary>
    /// <inheritdoc cref="Take"/>
    /// <param name="query">[tokens, heads, d] or [batch, heads, n, d].</param>
    /// <param name="lengths">Their lengths.</param>
    /// <param name="options">Options.</param>
    public static Kernels? Of(Tensor query, int[] lengths, AnchorAttentionOptions options)
    {
        if (!Take(query, lengths.Max(), options))
        {
            return null;
        }

        var last = (int)query.dim() - 1;
        return KernelCache.Of(lengths, (int)query.size(1), (int)query.size(last), query.dtype, packed: last == 2, options, query.device_index);
    }

    /// <summary>Attends; null where dense attention is the faster one, which is found out if the choice is automatic: that waits for the device.</summary>
    /// <param name="q">[tokens, heads, d] or [batch, heads, n, d], as was said to <see cref="Of"/>.</param>
    /// <param name="k">The same.</param>
    /// <param name="v">The same.</param>
    public Tensor? Attend(Tensor q, Tensor k, Tensor v)
    {
        using var scope = NewDisposeScope();
        (q, k, v) = (Contiguous(q), Contiguous(k), Contiguous(v));
        var selection = Attention.Select(q, k, v);
        if (_options.Implementation == AttentionImplementation.Auto)
        {
            using var counts = Attention.CountStripes(k, selection);
            if (AutoChoice.IsDense(AttendedPairs(counts, out var allowed), allowed))
            {
                return null;
            }
        }

        return CudaFunction.Attend(Attention, q, k, v, selection).MoveToOuterDisposeScope();
    }

    /// <summary>(Row, key) pairs that are attended to, all heads together.</summary>
    /// <param name="counts">Stripes of every group, all heads together, int64 [groups].</param>
    /// <param name="allowed">Pairs that dense attention attends to.</param>
    public double AttendedPairs(Tensor counts, out double allowed)
    {
        using var here = counts.cpu();
        var stripes = here.data<long>().ToArray();
        var attended = _anchorPairs;
        for (var g = 0; g < stripes.Length; g++)
        {
            attended += (double)stripes[g] * _groupRows[g];
        }

        allowed = _allowedPairs;
        return attended;
    }

    // Asking is faster than another tensor on the same memory.
    private static Tensor Contiguous(Tensor x) => x.is_contiguous() ? x : x.contiguous();
}
