namespace Atlas;

/// <summary>
/// The SplitMix64 generator (Steele, Lea and Flood, 2014). Our own, because the split must be the same with every version
/// of .NET, and <see cref="Random"/> does not promise that.
/// </summary>
internal sealed class SplitMix64(ulong seed)
{
    private ulong _state = seed;

    /// <summary>The next 64 bits.</summary>
    public ulong Next()
    {
        var z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>A number from 0 to <paramref name="count"/> - 1, all equally likely.</summary>
    public int Next(int count)
    {
        var bound = (ulong)count;
        var rejectFrom = ulong.MaxValue - ulong.MaxValue % bound;
        ulong bits;
        do
        {
            bits = Next();
        }
        while (bits >= rejectFrom);

        return (int)(bits % bound);
    }

    /// <summary>Shuffles in place (Fisher and Yates).</summary>
    public void Shuffle<T>(IList<T> items)
    {
        for (var i = items.Count - 1; i > 0; i--)
        {
            var j = Next(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }
}
