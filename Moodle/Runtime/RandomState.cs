using System.Buffers.Binary;
using System.Security.Cryptography;
using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>
/// Torch's random generators, for runs that repeat and resume exactly. What our own code draws comes from
/// <see cref="SplitMix64"/>.
/// </summary>
public static class RandomState
{
    /// <summary>Seeds torch's generators of the CPU and of every GPU.</summary>
    public static void Seed(long seed)
    {
        using var generator = random.manual_seed(seed);
        SeedCuda(seed);
    }

    /// <summary>
    /// The state to store in a checkpoint. TorchSharp cannot read a GPU's generator, so this call also seeds it, from the state
    /// of the CPU's, exactly as <see cref="Restore"/> does: the run that goes on and the run that is resumed stay the same.
    /// </summary>
    /// <returns>uint8 [bytes], on the CPU; the caller owns it.</returns>
    public static Tensor Capture()
    {
        var state = get_rng_state();
        SeedCuda(SeedOf(state));
        return state;
    }

    /// <summary>Brings torch's generators to a state that <see cref="Capture"/> gave.</summary>
    /// <exception cref="InputException">The tensor is no such state.</exception>
    public static void Restore(Tensor state)
    {
        ArgumentNullException.ThrowIfNull(state);
        using var expected = get_rng_state();
        if (state.dtype != ScalarType.Byte || !state.shape.SequenceEqual(expected.shape))
        {
            throw new InputException(
                $"the checkpoint's random state has type {state.dtype} and shape [{string.Join(", ", state.shape)}], "
                + $"this libtorch's Byte and [{string.Join(", ", expected.shape)}]; resume with the version that wrote it");
        }
        using var onCpu = state.cpu();
        set_rng_state(onCpu);
        SeedCuda(SeedOf(onCpu));
    }

    private static long SeedOf(Tensor state)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(state.bytes, hash);
        return BinaryPrimitives.ReadInt64LittleEndian(hash) & long.MaxValue;
    }

    private static void SeedCuda(long seed)
    {
        if (cuda.is_available())
        {
            cuda.manual_seed_all(seed);
        }
    }
}
