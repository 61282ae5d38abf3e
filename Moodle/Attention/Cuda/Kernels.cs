using Moodle.Runtime.Cuda;
using static TorchSharp.torch;

namespace Moodle.Attention.Cuda;

/// <summary>AnchorAttention by kernels, for a batch of sequences.</summary>
internal sealed class Kernels
{
    private readonly AnchorAttentionOptions _options;

    private Kernels(CudaAttention attention, KernelLayout layout, AnchorAttentionOptions options) => (Attention, Layout, _options) = (attention, layout, options);

    /// <summary>The kernels.</summary>
    public CudaAttention Attention { get; }

    /// <summary>How the sequences lie in memory.</summary>
    public KernelLayout Layout { get; }

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

        return reason is null && AttentionKernels.Takes(query.dtype, query.shape[^1]) && KernelLayout.Takes(longest, options);
    }

    /// <summary>The kernels for sequences, or null where others attend to them.</summary>
    /// <inheritdoc cref="Take"/>
    /// <param name="query">[tokens, heads, d] or [batch, heads, n, d].</param>
    /// <param name="lengths">Their lengths.</param>
    /// <param name="options">Options.</param>
    public static Kernels? Of(Tensor query, IReadOnlyList<int> lengths, AnchorAttentionOptions options)
    {
        if (!Take(query, lengths.Max(), options))
        {
            return null;
        }

        var packed = query.dim() == 3;
        var (heads, size) = ((int)query.shape[1], (int)query.shape[^1]);
        var layout = LayoutCache.Of(lengths, heads, size, packed, options, query.device);
        return new Kernels(new CudaAttention(layout, size, query.dtype, options, query.device), layout, options);
    }

    /// <summary>Attends; null where dense attention is the faster one, which is found out if the choice is automatic: that waits for the device.</summary>
    /// <param name="q">Contiguous.</param>
    /// <param name="k">Contiguous.</param>
    /// <param name="v">Contiguous.</param>
    public Tensor? Attend(Tensor q, Tensor k, Tensor v)
    {
        using var scope = NewDisposeScope();
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
    /// <param name="counts">Stripes of every group, [heads, groups].</param>
    /// <param name="allowed">Pairs that dense attention attends to.</param>
    public double AttendedPairs(Tensor counts, out double allowed)
    {
        var heads = Layout.Shape.Heads;
        using var scope = NewDisposeScope();
        var stripes = counts.sum(0, type: ScalarType.Int64).cpu().data<long>();
        (var attended, allowed) = (0.0, 0.0);
        var at = 0;
        foreach (var length in Layout.Lengths)
        {
            foreach (var group in AnchorGroup.Of(length, _options))
            {
                var anchors = (double)group.AnchorPairs(_options.Causal) * heads;
                attended += anchors + ((double)stripes[at++] * group.Rows);
                allowed += anchors + ((double)group.Candidates * group.Rows * heads);
            }
        }

        return attended;
    }
}
