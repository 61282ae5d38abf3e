using System.Runtime.InteropServices;

namespace Moodle.Attention.Cuda;

/// <summary>Lengths of sequences as a key: equal where all lengths are.</summary>
/// <param name="lengths">The lengths; whoever keeps the key leaves them as they are.</param>
internal readonly struct SequenceLengths(int[] lengths) : IEquatable<SequenceLengths>
{
    private readonly int[] _lengths = lengths;

    /// <inheritdoc/>
    public bool Equals(SequenceLengths other) => _lengths.AsSpan().SequenceEqual(other._lengths);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is SequenceLengths other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.AddBytes(MemoryMarshal.AsBytes(_lengths.AsSpan()));
        return hash.ToHashCode();
    }
}
