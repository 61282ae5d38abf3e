using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>
/// Torch's random generators. Every training step seeds them anew, so that a run repeats and resumes exactly without storing their state.
/// What our own code draws comes from <see cref="SplitMix64"/>.
/// </summary>
public static class RandomState
{
    /// <summary>Seeds torch's generators of the CPU and of every GPU.</summary>
    public static void Seed(long seed)
    {
        using var generator = random.manual_seed(seed);
        SeedCuda(seed);
    }

    private static void SeedCuda(long seed)
    {
        if (cuda.is_available())
        {
            cuda.manual_seed_all(seed);
        }
    }
}
