namespace Moodle.Tests.Support;

/// <summary>Damaged and random input for parsers, seeded, and what a parser may do with it.</summary>
internal static class Fuzz
{
    /// <summary>A sound content cut at many places, with bytes changed, doubled and left out, and random bytes.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="sound">Sound contents to damage.</param>
    /// <param name="count">How many damaged ones for each.</param>
    public static IEnumerable<byte[]> Inputs(int seed, int count, params byte[][] sound)
    {
        var random = new Random(seed);
        foreach (var content in sound)
        {
            yield return [];
            for (var i = 0; i < count; i++)
            {
                yield return (i % 5) switch
                {
                    0 => content[..random.Next(content.Length)],
                    1 => Changed(content, random, 1 + random.Next(4)),
                    2 => [.. content[..random.Next(content.Length)], .. content[random.Next(content.Length)..]],
                    3 => Noise(random, random.Next(300)),
                    // The beginning decides what a parser believes.
                    _ => [.. Changed(content[..Math.Min(content.Length, 64)], random, 2), .. content[Math.Min(content.Length, 64)..]],
                };
            }
        }
    }

    /// <summary>Holds a parser to its promise: it reads, or refuses by one line; and it takes no more memory than the input and a constant.</summary>
    /// <param name="parse">The parser.</param>
    /// <param name="length">Bytes of the input.</param>
    /// <param name="factor">Bytes that a byte of the input may cost.</param>
    /// <returns>Whether it read.</returns>
    public static bool ReadsOrRefuses(Action parse, long length, int factor = 64)
    {
        const long Constant = 16 << 20;
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            parse();
            return true;
        }
        catch (InputException refusal)
        {
            Assert.DoesNotContain('\n', refusal.Message);
            Assert.IsGreaterThan(10, refusal.Message.Length);
            return false;
        }
        finally
        {
            Assert.IsLessThan(Constant + (factor * length), GC.GetAllocatedBytesForCurrentThread() - before, "bytes allocated");
        }
    }

    private static byte[] Changed(byte[] content, Random random, int changes)
    {
        var changed = content.ToArray();
        for (var i = 0; i < changes && changed.Length > 0; i++)
        {
            changed[random.Next(changed.Length)] = random.Next(3) switch { 0 => 0xFF, 1 => (byte)"0129 \t\n.<>"[random.Next(10)], _ => (byte)random.Next(256) };
        }

        return changed;
    }

    private static byte[] Noise(Random random, int length)
    {
        var bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }
}
