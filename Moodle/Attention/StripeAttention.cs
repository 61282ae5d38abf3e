using static TorchSharp.torch;

namespace Moodle.Attention;

/// <summary>What the forward pass of <see cref="StripeAttention"/> leaves.</summary>
/// <param name="Output">[heads, n, d], of the inputs' type.</param>
/// <param name="LogSum">The logarithm of each row's normaliser over all keys that it attends to, [heads, n].</param>
/// <param name="Stripes">What was selected.</param>
internal sealed record StripeResult(Tensor Output, Tensor LogSum, StripeLists Stripes);

/// <summary>
/// The blocked path for one sequence: memory grows with n and the index lists only. Each group's rows attend to their anchor region, all heads
/// at once, and head by head to the keys of their list, gathered; the two are joined by their normalisers. Nothing is recorded by autograd:
/// <see cref="StripeFunction"/> makes a differentiable operation of the two passes.
/// </summary>
internal static class StripeAttention
{
    /// <summary>Attends. All numbers are finite: libtorch's flash kernel takes some that are not for large ones, depending on their place.</summary>
    /// <param name="q">[heads, n, d], contiguous.</param>
    /// <param name="k">[heads, n, d], contiguous.</param>
    /// <param name="v">[heads, n, d], contiguous.</param>
    /// <param name="options">Options.</param>
    /// <param name="times">Where the time of each part is added up, or null.</param>
    public static StripeResult Forward(Tensor q, Tensor k, Tensor v, AnchorAttentionOptions options, PartTimes? times = null)
    {
        using var none = no_grad();
        using var scope = NewDisposeScope();
        var groups = AnchorGroup.Of((int)q.shape[1], options);
        var output = empty_like(q, dtype: PartialAttention.SumType(q.dtype));
        var logSum = empty(q.shape[0], q.shape[1], dtype: output.dtype, device: q.device);
        times?.Start();
        var selection = new StripeSelection(q, k, options);
        var anchors = new Tensor[groups.Length];
        for (var g = 0; g < groups.Length; g++)
        {
            using var inner = NewDisposeScope();
            anchors[g] = selection.Anchors(groups[g]).MoveToOuterDisposeScope();
            AttendToAnchors(groups[g], q, k, v, options.Causal, output, logSum);
        }

        times?.EndAnchor();
        var stripes = selection.Select(groups, cat(anchors, 1));
        times?.EndSelection();
        var pairs = cat([k, v], 2); // [heads, n, 2d]: a key and its value are gathered as one row
        for (var g = 0; g < groups.Length; g++)
        {
            using var inner = NewDisposeScope();
            AttendToStripes(groups[g], g, q, pairs, stripes, output, logSum);
        }

        times?.EndSparse();
        stripes.Keys.MoveToOuterDisposeScope();
        return new StripeResult(output.to(q.dtype).MoveToOuterDisposeScope(), logSum.MoveToOuterDisposeScope(), stripes);
    }

    /// <summary>The gradients of q, k and v, [heads, n, d].</summary>
    public static (Tensor Q, Tensor K, Tensor V) Backward(
        Tensor grad, Tensor q, Tensor k, Tensor v, StripeResult result, AnchorAttentionOptions options, PartTimes? times = null)
    {
        using var none = no_grad();
        using var scope = NewDisposeScope();
        var groups = AnchorGroup.Of((int)q.shape[1], options);
        var type = PartialAttention.SumType(q.dtype);
        var (dq, dk, dv) = (empty_like(q, dtype: type), zeros_like(k, dtype: type), zeros_like(v, dtype: type));
        times?.Start();
        foreach (var group in groups)
        {
            using var inner = NewDisposeScope();
            var (rows, count) = (group.Start, group.Rows);
            void Add(Tensor k4, Tensor v4, bool causal, bool first, params ReadOnlySpan<(int Start, int Count)> ranges)
            {
                Tensor Rows(Tensor x) => x.narrow(1, rows, count).unsqueeze(0);
                var (q1, k1, v1) = PartialAttention.Backward(Rows(grad), Rows(q), k4, v4, Rows(result.Output), Rows(result.LogSum), causal);
                var target = dq.narrow(1, rows, count);
                _ = first ? target.copy_(q1[0]) : target.add_(q1[0]);
                var at = 0;
                foreach (var (start, length) in ranges)
                {
                    dk.narrow(1, start, length).add_(k1[0].narrow(1, at, length));
                    dv.narrow(1, start, length).add_(v1[0].narrow(1, at, length));
                    at += length;
                }
            }

            var localEnd = options.Causal ? group.Start : group.LocalEnd;
            if (options.Causal)
            {
                Add(k.narrow(1, rows, count).unsqueeze(0), v.narrow(1, rows, count).unsqueeze(0), true, true, (rows, count));
            }

            if (group.InitEnd + localEnd - group.LocalStart > 0)
            {
                Add(AnchorRows(k, group, localEnd), AnchorRows(v, group, localEnd), false, !options.Causal,
                    (0, group.InitEnd), (group.LocalStart, localEnd - group.LocalStart));
            }
        }

        times?.EndAnchor();
        var pairs = cat([k, v], 2);
        for (var g = 0; g < groups.Length; g++)
        {
            using var inner = NewDisposeScope();
            AddStripes(groups[g], g, grad, q, pairs, result, dq, dk, dv);
        }

        times?.EndSparse();
        return (dq.to(q.dtype).MoveToOuterDisposeScope(), dk.to(q.dtype).MoveToOuterDisposeScope(), dv.to(q.dtype).MoveToOuterDisposeScope());
    }

    private static void AttendToAnchors(AnchorGroup group, Tensor q, Tensor k, Tensor v, bool causal, Tensor output, Tensor logSum)
    {
        var rows = q.narrow(1, group.Start, group.Rows).unsqueeze(0); // [1, heads, rows, d]
        var localEnd = causal ? group.Start : group.LocalEnd;
        Tensor[] parts = [];
        if (group.InitEnd + localEnd - group.LocalStart > 0)
        {
            var (o, l) = PartialAttention.Forward(rows, AnchorRows(k, group, localEnd), AnchorRows(v, group, localEnd));
            parts = [o[0], l[0]];
        }

        if (causal)
        {
            Tensor Own(Tensor x) => x.narrow(1, group.Start, group.Rows).unsqueeze(0);
            var (o, l) = PartialAttention.Forward(rows, Own(k), Own(v), causal: true);
            Put(group, o[0], l[0], output, logSum);
            if (parts.Length > 0)
            {
                Join(group, parts[0], parts[1], output, logSum);
            }
        }
        else
        {
            Put(group, parts[0], parts[1], output, logSum);
        }
    }

    private static void AttendToStripes(AnchorGroup group, int g, Tensor q, Tensor pairs, StripeLists stripes, Tensor output, Tensor logSum)
    {
        var (heads, d) = ((int)q.shape[0], q.shape[2]);
        var lists = Enumerable.Range(0, heads).Select(h => (Head: h, List: (g * heads) + h)).Where(each => stripes.Count(each.List) > 0).ToArray();
        if (lists.Length == 0)
        {
            return;
        }

        var more = zeros(heads, group.Rows, d, dtype: output.dtype, device: q.device);
        var moreSum = full([heads, group.Rows], double.NegativeInfinity, dtype: output.dtype, device: q.device);
        foreach (var (head, list) in lists)
        {
            using var scope = NewDisposeScope();
            var gathered = pairs[head].index_select(0, stripes.Of(list)).unsqueeze(0).unsqueeze(0); // [1, 1, stripes, 2d]
            var (o, l) = PartialAttention.Forward(
                q.narrow(0, head, 1).narrow(1, group.Start, group.Rows).unsqueeze(0), gathered.narrow(3, 0, d), gathered.narrow(3, d, d));
            more[head].copy_(o[0, 0]);
            moreSum[head].copy_(l[0, 0]);
        }

        Join(group, more, moreSum, output, logSum);
    }

    private static void AddStripes(
        AnchorGroup group, int g, Tensor grad, Tensor q, Tensor pairs, StripeResult result, Tensor dq, Tensor dk, Tensor dv)
    {
        var (heads, d) = ((int)q.shape[0], q.shape[2]);
        // libtorch's backward kernel shares out batch and heads, not rows, among threads: parts of the rows stand in as a batch.
        var parts = Enumerable.Range(1, get_num_threads()).Last(count => group.Rows % count == 0);
        for (var head = 0; head < heads; head++)
        {
            var list = (g * heads) + head;
            if (result.Stripes.Count(list) == 0)
            {
                continue;
            }

            using var scope = NewDisposeScope();
            var keys = result.Stripes.Of(list);
            var gathered = pairs[head].index_select(0, keys).expand(parts, 1, -1, -1); // [parts, 1, stripes, 2d]
            Tensor Rows(Tensor x) => x[head].narrow(0, group.Start, group.Rows).view([parts, 1, group.Rows / parts, .. x.shape[2..]]);
            var (q1, k1, v1) = PartialAttention.Backward(
                Rows(grad), Rows(q), gathered.narrow(3, 0, d), gathered.narrow(3, d, d), Rows(result.Output), Rows(result.LogSum));
            dq[head].narrow(0, group.Start, group.Rows).add_(q1.reshape(group.Rows, d));
            dk[head].index_add_(0, keys, k1.sum([0, 1], type: dk.dtype), 1);
            dv[head].index_add_(0, keys, v1.sum([0, 1], type: dv.dtype), 1);
        }
    }

    // [1, heads, init and local keys, d]
    private static Tensor AnchorRows(Tensor x, AnchorGroup group, int localEnd)
    {
        var local = x.narrow(1, group.LocalStart, localEnd - group.LocalStart);
        return (group.InitEnd == 0 ? local : cat([x.narrow(1, 0, group.InitEnd), local], 1)).unsqueeze(0);
    }

    private static void Put(AnchorGroup group, Tensor o, Tensor l, Tensor output, Tensor logSum)
    {
        output.narrow(1, group.Start, group.Rows).copy_(o);
        logSum.narrow(1, group.Start, group.Rows).copy_(l);
    }

    // Two softmaxes over different keys, joined: each weighs what its normaliser is of both.
    private static void Join(AnchorGroup group, Tensor o, Tensor l, Tensor output, Tensor logSum)
    {
        var (rows, sums) = (output.narrow(1, group.Start, group.Rows), logSum.narrow(1, group.Start, group.Rows));
        var weight = (l - sums).sigmoid_().unsqueeze(-1);
        rows.mul_(1 - weight).addcmul_(o, weight, 1);
        sums.copy_(sums.logaddexp(l));
    }
}
