using Moodle.Attention.Cuda;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Attention;

/// <summary>
/// AnchorAttention ("AnchorAttention: Difference-Aware Sparse Attention with Stripe Granularity", EMNLP 2025): each group of rows attends to its
/// anchor region and to those other keys whose logits come within θ of the largest ones there. Made to be trained: bidirectional or causal, with
/// gradients through q, k and v, over sequences of any length. θ = ∞ is dense attention.
/// </summary>
/// <remarks>
/// float32, float64, bfloat16 and float16; heads of a multiple of 8 up to 128, or of any size under automatic choice, which then is dense. Memory grows with
/// the tokens and with the lists of selected keys, except in
/// <see cref="AttentionImplementation.Reference"/>. The selection is a constant to the gradient. Instances hold no state and may be shared.
/// </remarks>
public sealed class AnchorAttention : IPackedAttention
{
    private readonly DenseAttention _dense;

    /// <summary>Takes the options.</summary>
    /// <exception cref="InputException">One of them cannot be used; the message says which and why.</exception>
    public AnchorAttention(AnchorAttentionOptions? options = null)
    {
        Options = options ?? new AnchorAttentionOptions();
        Options.Validate();
        _dense = new DenseAttention(Options.Causal);
    }

    /// <summary>The options.</summary>
    public AnchorAttentionOptions Options { get; }

    /// <summary>Attention over a batch of sequences of one length.</summary>
    /// <param name="query">[batch, heads, n, d].</param>
    /// <param name="key">[batch, heads, n, d].</param>
    /// <param name="value">[batch, heads, n, d].</param>
    /// <returns>[batch, heads, n, d].</returns>
    /// <exception cref="ArgumentException">Shapes, types or devices cannot be used.</exception>
    public Tensor Attend(Tensor query, Tensor key, Tensor value)
    {
        Check(query, key, value, 4, "[batch, heads, n, d]");
        var length = query.size(2);
        if (IsDense(length) || !Takes(query.size(3)))
        {
            return Dense(query, key, value);
        }

        var lengths = new int[query.size(0)];
        Array.Fill(lengths, (int)length);
        if (Kernels.Of(query, lengths, Options) is { } kernels)
        {
            return kernels.Attend(query, key, value) ?? Dense(query, key, value);
        }

        using var scope = NewDisposeScope();
        var outputs = new Tensor[lengths.Length];
        for (var b = 0; b < outputs.Length; b++)
        {
            outputs[b] = Sequence(query[b].contiguous(), key[b].contiguous(), value[b].contiguous());
        }

        return stack(outputs).MoveToOuterDisposeScope();
    }

    /// <summary>Attention within each of several packed sequences.</summary>
    /// <param name="query">[tokens, heads, d].</param>
    /// <param name="key">[tokens, heads, d].</param>
    /// <param name="value">[tokens, heads, d].</param>
    /// <param name="sequences">Where sequences begin and end.</param>
    /// <returns>[tokens, heads, d].</returns>
    /// <exception cref="ArgumentException">Shapes, types or devices cannot be used.</exception>
    public Tensor Attend(Tensor query, Tensor key, Tensor value, PackedSequences sequences)
    {
        ArgumentNullException.ThrowIfNull(sequences);
        Check(query, key, value, sequences);
        var byKernels = Kernels.Take(query, sequences.Lengths.Max(), Options);
        var pieces = Pieces(sequences, byKernels).ToArray();
        if (pieces is [{ Dense: true }] || !Takes(query.size(2)))
        {
            return _dense.Attend(query, key, value, sequences);
        }

        if (byKernels && pieces.Length == 1)
        {
            return ByKernels(query, key, value, pieces[0].Lengths);
        }

        using var scope = NewDisposeScope();
        var rows = Array.ConvertAll(pieces, piece => (long)piece.Lengths.Sum());
        var (queries, keys, values) = (query.split(rows, 0), key.split(rows, 0), value.split(rows, 0));
        var outputs = new Tensor[pieces.Length];
        for (var i = 0; i < pieces.Length; i++)
        {
            outputs[i] = pieces[i].Dense ? _dense.Attend(queries[i], keys[i], values[i], new PackedSequences(pieces[i].Lengths))
                : byKernels ? ByKernels(queries[i], keys[i], values[i], pieces[i].Lengths)
                : Sequence(HeadMajor(queries[i]), HeadMajor(keys[i]), HeadMajor(values[i])).transpose(0, 1);
        }

        return (outputs.Length == 1 ? outputs[0].contiguous() : cat(outputs, 0)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Measures what the options do to some inputs: density, recall of attention mass, error, and the time of each part, forward and backward,
    /// beside dense attention. A sequence that takes the dense path counts as such. For times, call it twice and take the second: the first
    /// warms up.
    /// </summary>
    /// <param name="query">[batch, heads, n, d].</param>
    /// <param name="key">[batch, heads, n, d].</param>
    /// <param name="value">[batch, heads, n, d].</param>
    /// <param name="times">Whether to measure times, which takes a backward pass too.</param>
    /// <exception cref="ArgumentException">Shapes, types or devices cannot be used.</exception>
    public AnchorStatistics Measure(Tensor query, Tensor key, Tensor value, bool times = true)
    {
        Check(query, key, value, 4, "[batch, heads, n, d]");
        using var scope = NewDisposeScope();
        var measurement = new AnchorMeasurement(Options, query.device, times);
        for (var b = 0; b < query.shape[0]; b++)
        {
            measurement.Add(query[b], key[b], value[b], IsSparse(query[b], key[b], value[b]));
        }

        return measurement.Result();
    }

    /// <summary>The same for packed sequences.</summary>
    /// <param name="query">[tokens, heads, d].</param>
    /// <param name="key">[tokens, heads, d].</param>
    /// <param name="value">[tokens, heads, d].</param>
    /// <param name="sequences">Where sequences begin and end.</param>
    /// <param name="times">Whether to measure times, which takes a backward pass too.</param>
    /// <inheritdoc cref="Measure(Tensor, Tensor, Tensor, bool)"/>
    public AnchorStatistics Measure(Tensor query, Tensor key, Tensor value, PackedSequences sequences, bool times = true)
    {
        ArgumentNullException.ThrowIfNull(sequences);
        Check(query, key, value, sequences);
        using var scope = NewDisposeScope();
        var measurement = new AnchorMeasurement(Options, query.device, times);
        for (var s = 0; s < sequences.Count; s++)
        {
            Tensor Part(Tensor x) => x.narrow(0, sequences.Offsets[s], sequences.Lengths[s]).transpose(0, 1);
            var (q, k, v) = (Part(query), Part(key), Part(value));
            measurement.Add(q, k, v, IsSparse(q, k, v));
        }

        return measurement.Result();
    }

    // Heads of another size are dense where that is chosen automatically, else refused.
    private static bool Takes(long headSize) => headSize % 8 == 0 && headSize is > 0 and <= 128;

    /// <summary>Whether a sequence of this length takes the dense path whatever is in it.</summary>
    public bool IsDense(long length) => length <= Options.DenseUpTo || (Options.Implementation != AttentionImplementation.Reference
        && ((Options.Implementation == AttentionImplementation.Auto && length < AutoChoice.ShortestSparse)
            || !AnchorGroup.AnyCandidates((int)length, Options)));

    // [batch, heads, n, d]
    private Tensor Dense(Tensor query, Tensor key, Tensor value) => nn.functional.scaled_dot_product_attention(query, key, value, is_casual: Options.Causal);

    // [heads, n, d]. Numbers that are not finite are dense attention's business: they show in its output as nobody else would make them.
    private bool IsSparse(Tensor q, Tensor k, Tensor v) => !IsDense(q.shape[1]) && Takes(q.shape[2])
        && !(Options.Implementation == AttentionImplementation.Auto && AutoChoice.IsDense(q, k, Options))
        && new[] { q, k, v }.All(IsFinite);

    // A sum of huge numbers may overflow: then dense attention, too.
    private static bool IsFinite(Tensor x)
    {
        using var none = no_grad();
        using var sum = x.sum(PartialAttention.SumType(x.dtype));
        return double.IsFinite(sum.ToDouble());
    }

    // [tokens, heads, d] to [heads, tokens, d]
    private static Tensor HeadMajor(Tensor x) => x.transpose(0, 1).contiguous();

    // [tokens, heads, d]
    private Tensor ByKernels(Tensor q, Tensor k, Tensor v, int[] lengths) =>
        Kernels.Of(q, lengths, Options)!.Attend(q, k, v) ?? _dense.Attend(q, k, v, new PackedSequences(lengths));

    // Sequences that are dense anyway and stand next to each other stay together; others too, where the kernels take them.
    private IEnumerable<(bool Dense, int[] Lengths)> Pieces(PackedSequences sequences, bool together)
    {
        for (int first = 0, next; first < sequences.Count; first = next)
        {
            var dense = IsDense(sequences.Lengths[first]);
            next = first + 1;
            while ((dense || together) && next < sequences.Count && IsDense(sequences.Lengths[next]) == dense)
            {
                next++;
            }

            yield return (dense, sequences.Lengths[first..next].ToArray());
        }
    }

    // [heads, n, d], contiguous; of a length that is not dense whatever is in it.
    private Tensor Sequence(Tensor q, Tensor k, Tensor v) =>
        !IsSparse(q, k, v) ? nn.functional.scaled_dot_product_attention(q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), is_casual: Options.Causal).squeeze(0)
        : Options.Implementation == AttentionImplementation.Reference ? AnchorReference.Attend(q, k, v, Options)
        : StripeFunction.Attend(q, k, v, Options);

    private void Check(Tensor query, Tensor key, Tensor value, PackedSequences sequences)
    {
        Check(query, key, value, 3, "[tokens, heads, d]");
        if (query.size(0) != sequences.Tokens)
        {
            throw new ArgumentException($"query has {query.size(0)} tokens, the sequences {sequences.Tokens}", nameof(query));
        }
    }

    private void Check(Tensor query, Tensor key, Tensor value, int dimensions, string shape)
    {
        ArgumentNullException.ThrowIfNull(query);
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(value);
        CheckAlike(query, query, nameof(query), dimensions, shape);
        CheckAlike(key, query, nameof(key), dimensions, shape);
        CheckAlike(value, query, nameof(value), dimensions, shape);
        var headSize = query.size(dimensions - 1);
        if (!Takes(headSize) && Options.Implementation != AttentionImplementation.Auto)
        {
            throw new ArgumentException($"heads of size {headSize}; expected a multiple of 8 up to 128", nameof(query));
        }
    }

    private static void CheckAlike(Tensor x, Tensor query, string name, int dimensions, string shape)
    {
        if (x.dim() != dimensions || !HaveSameSizes(x, query, dimensions))
        {
            throw new ArgumentException($"{name} has shape [{string.Join(", ", x.shape)}]; expected {shape}, alike for query, key and value, with nothing empty", name);
        }

        var type = x.dtype;
        if (type != query.dtype || type is not (ScalarType.Float32 or ScalarType.Float64 or ScalarType.BFloat16 or ScalarType.Float16))
        {
            throw new ArgumentException($"{name} is of type {type}; expected Float32, Float64, BFloat16 or Float16, alike for query, key and value", name);
        }

        if (x.device_type != query.device_type || x.device_index != query.device_index)
        {
            throw new ArgumentException($"{name} is on {x.device}, query on {query.device}", name);
        }
    }

    // Size by size: a tensor's whole shape takes the host as long as forty of them.
    private static bool HaveSameSizes(Tensor x, Tensor query, int dimensions)
    {
        for (var i = 0; i < dimensions; i++)
        {
            var size = x.size(i);
            if (size != query.size(i) || size < 1)
            {
                return false;
            }
        }

        return true;
    }
}
