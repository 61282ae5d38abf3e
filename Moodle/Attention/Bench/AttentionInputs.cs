using static TorchSharp.torch;

namespace Moodle.Attention.Bench;

/// <summary>Queries, keys and values that attention is measured with, [1, heads, n, d] of float32.</summary>
internal static class AttentionInputs
{
    private const int Sinks = 4;

    /// <summary>Normal numbers: no key stands out, so nothing can be left out.</summary>
    public static (Tensor Q, Tensor K, Tensor V) Random(int heads, int length, int size, long seed, Device device)
    {
        manual_seed(seed);
        Tensor Normal() => randn(1, heads, length, size, device: device);
        return (Normal(), Normal(), Normal());
    }

    /// <summary>
    /// Made to look like what trained encoders show. Logits of a row: noise of deviation 1.2 everywhere; 14 for the first four keys (sinks); up
    /// to 14 for its neighbours, falling off with a cosine for each of many wavelengths, which leaves ripples of deviation 2 to 3 far away; and 12 for heavy
    /// columns: one key in a hundred matters to the rows of one topic, and topics last for 256 to 1,024 rows.
    /// Beyond 16,384 tokens the sinks are raised by 2.5 ln(n / 16,384), as noise would take a share of the attention that grows with n.
    /// </summary>
    public static (Tensor Q, Tensor K, Tensor V) Structured(int heads, int length, int size, long seed, Device device)
    {
        manual_seed(seed);
        using var scope = NewDisposeScope();
        var random = new Random((int)seed);
        var raised = Math.Max(0, 2.5 * Math.Log(length / 16384.0));
        var unit = Math.Sqrt(size); // q·k of this is a logit of 1
        var (waves, topicSize) = (size * 3 / 16, size / 8);
        var noiseSize = size - 1 - (2 * waves) - topicSize;
        Tensor Noise() => randn(heads, length, noiseSize, device: device) * Math.Sqrt(1.2 * unit / Math.Sqrt(noiseSize));

        var sink = zeros(heads, length, 1, device: device);
        sink.narrow(1, 0, Math.Min(Sinks, length)).fill_((14 + raised) * unit);

        // The same for q and k: their product is the sum of cos(frequency · distance).
        var frequencies = exp(rand(heads, 1, waves, device: device) * Math.Log(64) - Math.Log(512)) * (2 * Math.PI); // wavelengths of 8 to 512
        var angles = arange(length, device: device).unsqueeze(1) * frequencies; // [heads, n, waves]
        var local = cat([angles.cos(), angles.sin()], 2) * Math.Sqrt(14.0 * unit / waves);

        var (owners, segments) = (new long[length], 0);
        for (int first = 0, next; first < length; first = next, segments++)
        {
            next = Math.Min(length, first + random.Next(256, 1025));
            owners.AsSpan(first, next - first).Fill(segments);
        }

        var topics = nn.functional.normalize(randn(heads, segments, topicSize, device: device), dim: 2);
        var asked = topics.index_select(1, tensor(owners, device: device)) * unit;
        var heavy = rand(heads, length, 1, device: device).lt(0.01) * topics.index_select(1, randint(segments, length, device: device)) * 12;
        var q = cat([ones(heads, length, 1, device: device), local, asked, Noise()], 2).unsqueeze(0);
        var k = cat([sink, local, heavy, Noise()], 2).unsqueeze(0);
        return (q.MoveToOuterDisposeScope(), k.MoveToOuterDisposeScope(), randn(1, heads, length, size, device: device).MoveToOuterDisposeScope());
    }
}
