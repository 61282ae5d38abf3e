using System.Collections.Immutable;

namespace Moodle.Attention;

/// <summary>
/// Sequences laid end to end without padding: token i of sequence s stands at row <c>Offsets[s] + i</c> of a [tokens, ...] tensor.
/// </summary>
public sealed class PackedSequences
{
    /// <summary>Describes sequences of the given lengths, in their order.</summary>
    /// <exception cref="ArgumentException">A length is below 1, or there is no sequence.</exception>
    public PackedSequences(IEnumerable<int> lengths)
    {
        Lengths = [.. lengths];
        if (Lengths.IsEmpty || Lengths.Any(length => length < 1))
        {
            throw new ArgumentException("packed sequences need at least one sequence, each of at least one token", nameof(lengths));
        }

        var offsets = ImmutableArray.CreateBuilder<int>(Lengths.Length + 1);
        offsets.Add(0);
        foreach (var length in Lengths)
        {
            offsets.Add(checked(offsets[^1] + length));
        }

        Offsets = offsets.MoveToImmutable();
    }

    /// <summary>The length of every sequence.</summary>
    public ImmutableArray<int> Lengths { get; }

    /// <summary>Cumulative lengths, starting with 0 and ending with the number of tokens.</summary>
    public ImmutableArray<int> Offsets { get; }

    /// <summary>The number of sequences.</summary>
    public int Count => Lengths.Length;

    /// <summary>The number of tokens of all sequences.</summary>
    public int Tokens => Offsets[^1];

    /// <summary>Runs of neighbouring sequences of one length, which can be computed as one batch without padding.</summary>
    public IEnumerable<(int Count, int Length)> Runs()
    {
        for (int first = 0, next; first < Count; first = next)
        {
            next = first + 1;
            while (next < Count && Lengths[next] == Lengths[first])
            {
                next++;
            }

            yield return (next - first, Lengths[first]);
        }
    }
}
