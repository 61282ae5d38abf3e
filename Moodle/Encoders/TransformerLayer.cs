using Moodle.Attention;
using Moodle.Configuration;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Encoders;

/// <summary>One pre-norm transformer layer over packed sequences: x + attention(norm(x)), then x + feed-forward(norm(x)).</summary>
public sealed class TransformerLayer : nn.Module
{
    private readonly int _heads;
    private readonly double _dropout;
    private readonly IPackedAttention _attend;
    private readonly EncoderPrecision _precision;
    private readonly LayerNorm attention_norm;
    private readonly Linear attention_in;
    private readonly Linear attention_out;
    private readonly LayerNorm feed_forward_norm;
    private readonly Linear feed_forward_in;
    private readonly Linear feed_forward_out;

    /// <summary>Creates a layer with random weights from torch's generator.</summary>
    public TransformerLayer(int hiddenSize, int heads, int feedForwardSize, double dropout, IPackedAttention attention, EncoderPrecision precision = EncoderPrecision.Full)
        : base(nameof(TransformerLayer))
    {
        (_heads, _dropout, _attend, _precision) = (heads, dropout, attention, precision);
        attention_norm = nn.LayerNorm(hiddenSize);
        attention_in = nn.Linear(hiddenSize, 3L * hiddenSize);
        attention_out = nn.Linear(hiddenSize, hiddenSize);
        feed_forward_norm = nn.LayerNorm(hiddenSize);
        feed_forward_in = nn.Linear(hiddenSize, feedForwardSize);
        feed_forward_out = nn.Linear(feedForwardSize, hiddenSize);
        RegisterComponents();
    }

    /// <summary>Applies the layer.</summary>
    /// <param name="x">float32 [tokens, hidden].</param>
    /// <param name="sequences">Where sequences begin and end.</param>
    /// <param name="rotary">Positions for queries and keys, or null where x carries them already.</param>
    /// <returns>[tokens, hidden].</returns>
    public Tensor Forward(Tensor x, PackedSequences sequences, RotaryPositions? rotary)
    {
        ArgumentNullException.ThrowIfNull(x);
        var (tokens, hidden) = (x.shape[0], x.shape[1]);
        var type = _precision.TypeOn(x.device);
        var packed = attention_in.MixedForward(attention_norm.forward(x).to(type)).view(tokens, 3, _heads, hidden / _heads);
        var parts = rotary is null ? packed.unbind(1) : rotary.Turn(packed);
        var attended = _attend.Attend(parts[0], parts[1], parts[2], sequences).reshape(tokens, hidden);
        x = x + Drop(attention_out.MixedForward(attended));
        return x + Drop(feed_forward_out.MixedForward(nn.functional.gelu(feed_forward_in.MixedForward(feed_forward_norm.forward(x).to(type)))));
    }

    private Tensor Drop(Tensor x) => training && _dropout > 0 ? nn.functional.dropout(x, _dropout, true) : x;
}
