namespace Moodle.Attention;

/// <summary>
/// The rows [<see cref="Start"/>, <see cref="End"/>) of a sequence, which share a list of stripes, and which keys are theirs anyway: the anchor
/// region is [0, <see cref="InitEnd"/>) and [<see cref="LocalStart"/>, <see cref="LocalEnd"/>), in a causal group for each row only up to its own
/// position. The other allowed keys are candidates; they are allowed for every row of the group.
/// </summary>
internal readonly record struct AnchorGroup(int Start, int End, int InitEnd, int LocalStart, int LocalEnd, int CandidateEnd)
{
    /// <summary>The number of rows.</summary>
    public int Rows => End - Start;

    /// <summary>Keys outside of the anchor region that a row may attend to: [InitEnd, LocalStart) and [LocalEnd, CandidateEnd).</summary>
    public int Candidates => LocalStart - InitEnd + CandidateEnd - LocalEnd;

    /// <summary>The groups of a sequence, in order.</summary>
    /// <param name="length">The sequence's length, from 1.</param>
    /// <param name="options">Valid options.</param>
    public static AnchorGroup[] Of(int length, AnchorAttentionOptions options)
    {
        var rows = RowsOf(length, options);
        var groups = new AnchorGroup[(length + rows - 1) / rows];
        for (var g = 0; g < groups.Length; g++)
        {
            groups[g] = At(g * rows, rows, length, options);
        }

        return groups;
    }

    /// <summary>Whether a group of a sequence has keys outside of its anchor region.</summary>
    /// <inheritdoc cref="Of"/>
    public static bool AnyCandidates(int length, AnchorAttentionOptions options)
    {
        var rows = RowsOf(length, options);
        for (var start = 0L; start < length; start += rows)
        {
            if (At(start, rows, length, options).Candidates > 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>(Row, key) pairs of the anchor region.</summary>
    public long AnchorPairs(bool causal) =>
        ((long)Rows * (InitEnd + LocalEnd - LocalStart)) - (causal ? (long)Rows * (Rows - 1) / 2 : 0);

    private static long RowsOf(int length, AnchorAttentionOptions options) => Math.Min(length, (long)options.Block * options.Step);

    private static AnchorGroup At(long first, long rows, int length, AnchorAttentionOptions options)
    {
        var start = (int)first;
        var end = (int)Math.Min(length, first + rows);
        var localStart = Math.Max(0, start - options.Local);
        // Keys of the beginning that lie beyond the window (the first rows have them so) lengthen it.
        var localEnd = options.Causal ? end : Math.Max((int)Math.Min(length, (long)end + options.Local), Math.Min(length, options.Init));
        return new AnchorGroup(start, end, Math.Min(options.Init, localStart), localStart, localEnd, options.Causal ? end : length);
    }
}
