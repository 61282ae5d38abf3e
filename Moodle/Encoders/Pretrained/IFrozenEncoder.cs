using static TorchSharp.torch;

namespace Moodle.Encoders.Pretrained;

/// <summary>
/// A frozen encoder with the inputs of its entities. Encoding has two steps, so that one batch is read and decoded while another is
/// computed.
/// </summary>
public interface IFrozenEncoder : IDisposable
{
    /// <summary>Length of a feature vector.</summary>
    int FeatureSize { get; }

    /// <summary>What is encoded, in the plural.</summary>
    string Unit { get; }

    /// <summary>Entities that have inputs, in the order in which they are best encoded; the same for the same inputs.</summary>
    IReadOnlyList<int> Entities { get; }

    /// <summary>What a batch may cost; an entity that costs more is a batch of its own.</summary>
    int BatchCost { get; }

    /// <summary>What an entity costs.</summary>
    int Cost(int entity);

    /// <summary>How many inputs it has.</summary>
    int Inputs(int entity);

    /// <summary>Reads and decodes a batch's inputs, in parallel, without torch.</summary>
    FrozenBatch Prepare(IReadOnlyList<int> entities, CancellationToken cancellation);

    /// <summary>Encodes a prepared batch.</summary>
    /// <returns>float32 [<see cref="FrozenBatch.Entities"/>, <see cref="FeatureSize"/>] on the CPU; the caller owns it.</returns>
    Tensor Encode(FrozenBatch batch);
}

/// <summary>A batch of inputs, ready to be encoded.</summary>
/// <param name="Entities">The entities that have a readable input.</param>
/// <param name="Broken">Inputs that cannot be read, and why.</param>
public abstract record FrozenBatch(IReadOnlyList<int> Entities, IReadOnlyList<BrokenInput> Broken);

/// <summary>An input that was left out.</summary>
/// <param name="Path">Its file.</param>
/// <param name="Problem">Why it cannot be read.</param>
public sealed record BrokenInput(string Path, string Problem);
