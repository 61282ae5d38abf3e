using static TorchSharp.torch;

namespace Moodle.Attention;

/// <summary>When <see cref="AttentionImplementation.Auto"/> takes dense attention. The figures are measured in experiments/anchor-attention.</summary>
internal static class AutoChoice
{
    /// <summary>Shorter sequences are dense.</summary>
    public const int ShortestSparse = 4096;

    // With every key taken, gathering makes the blocked path 1.6 to 1.9 times as slow as dense attention; below this density it wins.
    private const double HighestDensity = 0.4;

    // A probe of one group in so many costs 1 to 2.5 % of dense attention.
    private const int GroupsForEachProbe = 16;

    /// <summary>Whether dense attention is expected to be the faster one: a few groups, spread evenly, are tried.</summary>
    /// <param name="q">[heads, n, d].</param>
    /// <param name="k">[heads, n, d].</param>
    /// <param name="options">Options.</param>
    public static bool IsDense(Tensor q, Tensor k, AnchorAttentionOptions options)
    {
        using var none = no_grad();
        using var scope = NewDisposeScope();
        var groups = AnchorGroup.Of((int)q.shape[1], options);
        var selection = new StripeSelection(q, k, options);
        var probes = Math.Max(1, groups.Length / GroupsForEachProbe);
        double attended = 0, allowed = 0;
        for (var p = 0; p < probes; p++)
        {
            var group = groups[((2 * p) + 1) * groups.Length / (2 * probes)];
            var stripes = selection.Select([group], selection.Anchors(group));
            attended += (group.AnchorPairs(options.Causal) * q.shape[0]) + (stripes.Offsets[^1] * (double)group.Rows);
            allowed += (group.AnchorPairs(options.Causal) + ((double)group.Candidates * group.Rows)) * q.shape[0];
        }

        return IsDense(attended, allowed);
    }

    /// <summary>Whether dense attention is expected to be the faster one for so many attended pairs of all allowed ones.</summary>
    public static bool IsDense(double attended, double allowed) => attended > HighestDensity * allowed;
}
