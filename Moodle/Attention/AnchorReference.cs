using static TorchSharp.torch;

namespace Moodle.Attention;

/// <summary>
/// The definition of AnchorAttention in operations of torch, for one sequence, with all n² logits: slow, differentiable by autograd, and
/// of any type.
/// </summary>
internal static class AnchorReference
{
    /// <summary>Attends.</summary>
    /// <param name="q">[heads, n, d].</param>
    /// <param name="k">[heads, n, d].</param>
    /// <param name="v">[heads, n, d].</param>
    /// <param name="options">Options.</param>
    public static Tensor Attend(Tensor q, Tensor k, Tensor v, AnchorAttentionOptions options)
    {
        using var scope = NewDisposeScope();
        var logits = q.matmul(k.transpose(1, 2)) / Math.Sqrt(q.shape[2]); // [heads, n, n]
        var attended = Attended(q.detach(), k.detach(), options);
        return logits.masked_fill(attended.logical_not(), double.NegativeInfinity).softmax(2).matmul(v).MoveToOuterDisposeScope();
    }

    /// <summary>Which keys each row attends to, [heads, n, n].</summary>
    public static Tensor Attended(Tensor q, Tensor k, AnchorAttentionOptions options)
    {
        using var scope = NewDisposeScope();
        var (heads, n) = (q.shape[0], (int)q.shape[1]);
        var attended = zeros(heads, n, n, dtype: ScalarType.Bool, device: q.device);
        var (row, key) = (arange(n, device: q.device).unsqueeze(1), arange(n, device: q.device).unsqueeze(0));
        var allowed = options.Causal ? key.le(row) : ones(n, n, dtype: ScalarType.Bool, device: q.device);
        foreach (var group in AnchorGroup.Of(n, options))
        {
            using var inner = NewDisposeScope();
            var region = key.lt(group.InitEnd).logical_or(key.ge(group.LocalStart).logical_and(key.lt(group.LocalEnd)))
                .logical_and(allowed).narrow(0, group.Start, group.Rows); // [rows, n]
            var rows = q.narrow(1, group.Start, group.Rows);
            var logits = rows.matmul(k.transpose(1, 2)) / Math.Sqrt(q.shape[2]);
            var anchors = logits.masked_fill(region.logical_not(), double.NegativeInfinity).amax([2]); // [heads, rows]
            var taken = zeros(heads, n, dtype: ScalarType.Bool, device: q.device);
            foreach (var (first, count) in Blocks(group, options.Block))
            {
                var query = rows.narrow(1, first, count).mean([1], keepdim: true); // [heads, 1, d]
                var score = anchors.narrow(1, first, count).mean([1], keepdim: true) - (query.matmul(k.transpose(1, 2)).squeeze(1) / Math.Sqrt(q.shape[2]));
                taken = taken.logical_or(score.le(options.Theta)); // [heads, n]
            }

            attended.narrow(1, group.Start, group.Rows).copy_(
                region.unsqueeze(0).logical_or(taken.unsqueeze(1)).logical_and(allowed.narrow(0, group.Start, group.Rows)));
        }

        return attended.MoveToOuterDisposeScope();
    }

    private static IEnumerable<(int First, int Count)> Blocks(AnchorGroup group, int block)
    {
        for (long first = 0; first < group.Rows; first += block)
        {
            yield return ((int)first, (int)Math.Min(block, group.Rows - first));
        }
    }
}
