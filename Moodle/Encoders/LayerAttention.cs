using Moodle.Attention;
using Moodle.Configuration;

namespace Moodle.Encoders;

/// <summary>The attention of each layer of a text encoder.</summary>
public static class LayerAttention
{
    /// <summary>Chooses by configuration.</summary>
    /// <param name="config">The configuration.</param>
    /// <returns>From a layer's number, counted from 0, to its attention.</returns>
    public static Func<int, IPackedAttention> Of(TextAttentionConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        var dense = new DenseAttention();
        IPackedAttention Rounded(IPackedAttention attention) => config.Precision == EncoderPrecision.Full
            ? attention : new RoundedAttention(attention, onGpuOnly: config.Precision == EncoderPrecision.Auto);
        var rounded = Rounded(dense);
        if (config.Kind == TextAttention.Dense)
        {
            return _ => rounded;
        }

        var anchor = Rounded(new AnchorAttention(new AnchorAttentionOptions
        {
            Block = config.Block,
            Step = config.Step,
            Init = config.Init,
            Local = config.Local,
            Theta = config.Theta,
            DenseUpTo = config.Threshold,
            Implementation = config.Kind switch
            {
                TextAttention.Reference => AttentionImplementation.Reference,
                TextAttention.Cpu => AttentionImplementation.Cpu,
                TextAttention.Cuda => AttentionImplementation.Cuda,
                _ => AttentionImplementation.Auto,
            },
        }));
        return layer => config.Layers.Count == 0 || config.Layers.Contains(layer) ? anchor : rounded;
    }
}
