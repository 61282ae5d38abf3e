namespace Moodle.Configuration;

/// <summary>Attention over the tokens of a document.</summary>
public enum TextAttention
{
    /// <summary>AnchorAttention for long documents where it is faster than dense attention.</summary>
    Auto,

    /// <summary>Dense attention, whatever the length.</summary>
    Dense,

    /// <summary>AnchorAttention for long documents, by blocked operations on the CPU or the GPU.</summary>
    Cpu,

    /// <summary>AnchorAttention for long documents by CUDA kernels: needs a GPU, precision bfloat16 and heads of 64 or 128.</summary>
    Cuda,

    /// <summary>AnchorAttention for long documents, by its definition with a full matrix of logits: slow, for checks.</summary>
    Reference,
}

/// <summary>Which attention the text encoder takes, and the options of AnchorAttention (EMNLP 2025).</summary>
public sealed record TextAttentionConfig
{
    /// <summary>The implementation.</summary>
    public TextAttention Kind { get; init; }

    /// <summary>What queries, keys and values are rounded to, where the layers' precision has not rounded them already.</summary>
    public EncoderPrecision Precision { get; init; }

    /// <summary>Documents of at most so many tokens take dense attention.</summary>
    [AtLeast(0)]
    public int Threshold { get; init; } = 1024;

    /// <summary>The layers, counted from 0, that take AnchorAttention; none named means all.</summary>
    public IReadOnlyList<int> Layers { get; init; } = [];

    /// <summary>Query rows whose mean query and mean anchor choose keys together.</summary>
    [AtLeast(1)]
    public int Block { get; init; } = 128;

    /// <summary>Blocks that share one list of keys.</summary>
    [AtLeast(1)]
    public int Step { get; init; } = 4;

    /// <summary>First tokens of a document that every token attends to.</summary>
    [AtLeast(0)]
    public int Init { get; init; } = 64;

    /// <summary>Tokens before and after a group of blocks that the group attends to.</summary>
    [AtLeast(0)]
    public int Local { get; init; } = 64;

    /// <summary>How far, in nats, a block's mean logit for a key may lie below its mean anchor for the key to be attended to.</summary>
    public double Theta { get; init; } = 12;
}
