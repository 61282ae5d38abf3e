using static TorchSharp.torch;

namespace Moodle.Attention;

/// <summary>
/// Which candidates are taken: key j by group G if for a block b of G the mean anchor minus the mean query's logit for j is at most θ.
/// </summary>
internal sealed class StripeSelection
{
    // Scores are computed for as many groups at once as fit: few large products, and memory linear in n.
    private const long MostScores = 1 << 22;
    private readonly AnchorAttentionOptions _options;
    private readonly double _scale;
    private readonly Tensor _queries;
    private readonly Tensor _keys;

    /// <summary>Prepares the choice for a sequence.</summary>
    /// <param name="q">[heads, n, d].</param>
    /// <param name="k">[heads, n, d].</param>
    /// <param name="options">Options.</param>
    public StripeSelection(Tensor q, Tensor k, AnchorAttentionOptions options)
    {
        (_options, _scale) = (options, 1 / Math.Sqrt(q.shape[2]));
        // bfloat16 would round a logit of 20 to a sixteenth.
        var type = PartialAttention.SumType(q.dtype);
        (_queries, _keys) = (q.to(type), k.to(type));
    }

    /// <summary>The largest logit of every row of a group over its anchor region, [heads, rows].</summary>
    public Tensor Anchors(AnchorGroup group)
    {
        using var scope = NewDisposeScope();
        var rows = _queries.narrow(1, group.Start, group.Rows);
        Tensor Maxima(int start, int end)
        {
            var logits = rows.bmm(_keys.narrow(1, start, end - start).transpose(1, 2)); // [heads, rows, keys]
            if (_options.Causal && end > group.Start)
            {
                logits.narrow(2, group.Start - start, group.Rows).masked_fill_(PartialAttention.Later(group.Rows, logits.device), double.NegativeInfinity);
            }

            return logits.amax([2]);
        }

        var maxima = Maxima(group.LocalStart, group.LocalEnd);
        return (group.InitEnd == 0 ? maxima : maxima.maximum(Maxima(0, group.InitEnd))).mul_(_scale).MoveToOuterDisposeScope();
    }

    /// <summary>Chooses the stripes of some groups that follow each other.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="anchors">The anchors of all their rows, [heads, rows].</param>
    public StripeLists Select(ReadOnlySpan<AnchorGroup> groups, Tensor anchors)
    {
        var (heads, n) = (_keys.shape[0], _keys.shape[1]);
        var atOnce = (int)Math.Max(1, MostScores / (heads * _options.Step * n));
        var lists = new List<Tensor>();
        var counts = new List<Tensor>();
        for (var first = 0; first < groups.Length; first += atOnce)
        {
            using var scope = NewDisposeScope();
            var chunk = groups[first..Math.Min(groups.Length, first + atOnce)];
            var (start, rows) = (chunk[0].Start, chunk[^1].End - chunk[0].Start);
            var meanAnchors = BlockMeans(anchors.narrow(1, start - groups[0].Start, rows).unsqueeze(2)); // [heads, blocks, 1]
            var meanQueries = BlockMeans(_queries.narrow(1, start, rows)).mul_(_scale); // [heads, blocks, d]
            var lead = meanQueries.bmm(_keys.transpose(1, 2)).sub_(meanAnchors); // [heads, blocks, n]: logit over anchor
            foreach (var group in chunk)
            {
                var blocks = (group.Rows + _options.Block - 1) / _options.Block;
                var taken = lead.narrow(1, (group.Start - start) / _options.Block, blocks).amax([1]).ge(-_options.Theta); // [heads, n]
                taken.narrow(1, 0, group.InitEnd).zero_();
                taken.narrow(1, group.LocalStart, group.LocalEnd - group.LocalStart).zero_();
                taken.narrow(1, group.CandidateEnd, n - group.CandidateEnd).zero_();
                lists.Add(taken.nonzero().select(1, 1).contiguous().MoveToOuterDisposeScope());
                counts.Add(taken.sum(1).MoveToOuterDisposeScope());
            }
        }

        using var all = cat(counts).cpu();
        var offsets = new long[all.NumberOfElements + 1];
        var numbers = all.data<long>();
        for (var i = 0; i < offsets.Length - 1; i++)
        {
            offsets[i + 1] = offsets[i] + numbers[i];
        }

        return new StripeLists(cat(lists), offsets);
    }

    // [heads, rows, size] to [heads, blocks, size]; the last block may be shorter.
    private Tensor BlockMeans(Tensor x)
    {
        var full = x.shape[1] / _options.Block * _options.Block;
        var means = new List<Tensor>();
        if (full > 0)
        {
            means.Add(x.narrow(1, 0, full).reshape(x.shape[0], full / _options.Block, _options.Block, x.shape[2]).mean([2]));
        }

        if (full < x.shape[1])
        {
            means.Add(x.narrow(1, full, x.shape[1] - full).mean([1], keepdim: true));
        }

        return means.Count == 1 ? means[0] : cat(means, 1);
    }
}
