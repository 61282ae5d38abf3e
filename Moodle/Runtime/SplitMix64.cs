namespace Moodle.Runtime;

/// <summary>
/// SplitMix64 (Steele, Lea and Flood 2014): a small generator whose whole state is one number, so that a run can be resumed
/// exactly; <see cref="Random"/> cannot tell its state. Not for several threads at once.
/// </summary>
/// <param name="seed">Any number; near seeds give unrelated sequences.</param>
public sealed class SplitMix64(ulong seed)
{
    /// <summary>The whole state: a generator made with it as its seed goes on from here.</summary>
    public ulong State { get; private set; } = seed;

    /// <summary>The generator of one of many independent streams under a seed, such as an epoch's.</summary>
    public static SplitMix64 ForStream(ulong seed, ulong stream) => new(new SplitMix64(seed ^ Mix(stream)).NextUInt64());

    /// <summary>64 random bits.</summary>
    public ulong NextUInt64() => Mix(State += 0x9E3779B97F4A7C15);

    /// <summary>A whole number from 0 to <paramref name="n"/>-1, all equally likely.</summary>
    public int NextInt(int n)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(n);
        // Lemire 2019: the high half of a product; the few values that would make some results likelier are drawn again.
        var threshold = (0UL - (ulong)n) % (ulong)n;
        while (true)
        {
            var high = Math.BigMul(NextUInt64(), (ulong)n, out var low);
            if (low >= threshold)
            {
                return (int)high;
            }
        }
    }

    /// <summary>A number in [0, 1), a multiple of 2^-53.</summary>
    public double NextDouble() => (NextUInt64() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Brings the items into a random order, all orders equally likely (Fisher and Yates).</summary>
    public void Shuffle(Span<int> items)
    {
        for (var i = items.Length - 1; i > 0; i--)
        {
            var j = NextInt(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
