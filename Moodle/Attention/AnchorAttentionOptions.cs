using System.Globalization;

namespace Moodle.Attention;

/// <summary>Who computes AnchorAttention.</summary>
public enum AttentionImplementation
{
    /// <summary>Dense attention where that is faster, else the blocked operations.</summary>
    Auto,

    /// <summary>A transcription of the definition with a full matrix of logits: the truth that others are held against.</summary>
    Reference,

    /// <summary>Blocks of rows over index lists of keys, with libtorch's operations on the device where the tensors are.</summary>
    Cpu,

    /// <summary>CUDA kernels, for bfloat16 and float16 and heads of 64 or 128 on a GPU; the blocked operations for other tensors.</summary>
    Cuda,
}

/// <summary>
/// Options of <see cref="AnchorAttention"/>. A group is <see cref="Step"/> blocks of <see cref="Block"/> query rows. Its anchor region
/// are the first <see cref="Init"/> keys of the sequence and the keys from <see cref="Local"/> before its first row to Local after its last
/// one; causal: to each row's own position.
/// </summary>
public sealed record AnchorAttentionOptions
{
    /// <summary>Query rows whose mean query and mean anchor choose stripes together; from 1.</summary>
    public int Block { get; init; } = 128;

    /// <summary>Blocks that share one list of stripes; from 1.</summary>
    public int Step { get; init; } = 4;

    /// <summary>Keys at the start of a sequence that every row attends to; from 0.</summary>
    public int Init { get; init; } = 64;

    /// <summary>Keys before and after a group that its rows attend to; from 0.</summary>
    public int Local { get; init; } = 64;

    /// <summary>
    /// How far, in nats, a block's mean logit for a key may lie below its mean anchor for the key to be taken. Infinity takes every key.
    /// </summary>
    public double Theta { get; init; } = 12;

    /// <summary>Sequences of at most so many tokens are dense, whoever computes.</summary>
    public int DenseUpTo { get; init; }

    /// <summary>Whether a row attends to its own and earlier positions only.</summary>
    public bool Causal { get; init; }

    /// <summary>Whether the CUDA kernels add up gradients of keys in an order that is always the same, which is slower; nothing else depends on order.</summary>
    public bool Deterministic { get; init; }

    /// <summary>Who computes.</summary>
    public AttentionImplementation Implementation { get; init; }

    /// <summary>Checks all options.</summary>
    /// <exception cref="InputException">One of them cannot be used; the message names it, what it may be, and the remedy.</exception>
    public void Validate()
    {
        AtLeast(1, Block, "block");
        AtLeast(1, Step, "step");
        AtLeast(0, Init, "init");
        AtLeast(0, Local, "local");
        AtLeast(0, DenseUpTo, "dense up to");
        if (double.IsNaN(Theta))
        {
            throw new InputException("anchor attention: theta is not a number; expected nats, such as 12, or infinity to take every key");
        }

        if (!Enum.IsDefined(Implementation))
        {
            throw new InputException($"anchor attention: implementation {(int)Implementation} is unknown; expected auto, reference, cpu or cuda");
        }
    }

    private static void AtLeast(int least, int value, string name)
    {
        if (value < least)
        {
            throw new InputException(string.Create(CultureInfo.InvariantCulture, $"anchor attention: {name} is {value}; expected a whole number from {least}"));
        }
    }
}
