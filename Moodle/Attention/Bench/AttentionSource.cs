using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Attention.Bench;

/// <summary>A sequence to be attended to.</summary>
/// <param name="Name">Its name in a file; else null.</param>
/// <param name="Length">Its tokens.</param>
/// <param name="Make">Makes q, k and v, each [1, heads, n, d], on a device; the caller owns them.</param>
internal sealed record AttentionSequence(string? Name, int Length, Func<Device, (Tensor Q, Tensor K, Tensor V)> Make);

/// <summary>
/// Where <c>bench attention</c> takes sequences from. A file holds for each of its sequences <c>NAME.q</c>, <c>NAME.k</c> and <c>NAME.v</c>, or
/// for a single one <c>q</c>, <c>k</c> and <c>v</c>: [heads, n, d], of F32, F64 or BF16.
/// </summary>
internal static class AttentionSource
{
    private static readonly int[] s_lengths = [1024, 2048, 4096, 8192];

    /// <summary>The sequences of an input.</summary>
    /// <param name="input"><c>random</c>, <c>structured</c>, or a safetensors file.</param>
    /// <param name="lengths">Lengths; of a file, each sequence's first tokens where it has as many. Null: standard ones, or a file's own.</param>
    /// <param name="heads">Heads of sequences that are made.</param>
    /// <param name="size">Size of a head of sequences that are made.</param>
    /// <param name="seed">Seed of sequences that are made.</param>
    /// <exception cref="InputException">The file cannot be used; the message says why.</exception>
    public static IReadOnlyList<AttentionSequence> Open(string input, int[]? lengths, int heads, int size, int seed) => input switch
    {
        "random" => [.. (lengths ?? s_lengths).Select(n => new AttentionSequence(null, n, device => AttentionInputs.Random(heads, n, size, seed, device)))],
        "structured" when size < 16 => throw new InputException($"--dim: {size} is too small for structured input; expected at least 16, or --input random"),
        "structured" => [.. (lengths ?? s_lengths).Select(n => new AttentionSequence(null, n, device => AttentionInputs.Structured(heads, n, size, seed, device)))],
        _ => OpenFile(input, lengths),
    };

    private static List<AttentionSequence> OpenFile(string path, int[]? lengths)
    {
        using var file = Safetensors.Open(path);
        var sequences = new List<AttentionSequence>();
        foreach (var name in file.Names.Where(name => name == "q" || name.EndsWith(".q", StringComparison.Ordinal)))
        {
            var stem = name[..^1];
            var shape = file.ShapeOf(name);
            if (shape.Count != 3 || shape.Any(size => size < 1) || shape[1] > int.MaxValue || shape[2] % 8 != 0 || shape[2] > 128)
            {
                throw new InputException($"{path}: \"{name}\" has shape [{string.Join(", ", shape)}]; expected [heads, n, d] with d a multiple of 8 up to 128");
            }

            foreach (var other in new[] { stem + "k", stem + "v" })
            {
                if (!file.ShapeOf(other).SequenceEqual(shape) || file.TypeOf(other) != file.TypeOf(name))
                {
                    throw new InputException($"{path}: \"{other}\" has another shape or type than \"{name}\"; expected the same");
                }
            }

            if (file.TypeOf(name) is not (ScalarType.Float32 or ScalarType.Float64 or ScalarType.BFloat16))
            {
                throw new InputException($"{path}: \"{name}\" is of type {file.TypeOf(name)}; expected F32, F64 or BF16");
            }

            foreach (var length in lengths?.Where(length => length <= shape[1]) ?? [(int)shape[1]])
            {
                sequences.Add(new AttentionSequence(stem.TrimEnd('.'), length, device => Read(path, stem, length, device)));
            }
        }

        return sequences.Count > 0 ? sequences : throw new InputException(lengths is null
            ? $"{path}: holds no sequence; expected tensors q, k and v, or NAME.q, NAME.k and NAME.v, each [heads, n, d]"
            : $"{path}: holds no sequence of at least {lengths.Min()} tokens; leave --lengths out to take what is there");
    }

    private static (Tensor Q, Tensor K, Tensor V) Read(string path, string stem, int length, Device device)
    {
        using var file = Safetensors.Open(path);
        Tensor Part(string name)
        {
            using var whole = file.Read(stem + name);
            using var part = whole.narrow(1, 0, length).unsqueeze(0);
            return part.to(device).contiguous();
        }

        return (Part("q"), Part("k"), Part("v"));
    }
}
