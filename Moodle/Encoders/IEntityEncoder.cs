using static TorchSharp.torch;

namespace Moodle.Encoders;

/// <summary>Turns one modality's inputs of entities into feature vectors.</summary>
public interface IEntityEncoder
{
    /// <summary>Length of a feature vector.</summary>
    int FeatureSize { get; }

    /// <summary>Whether the entity has this modality.</summary>
    bool Has(int entity);

    /// <summary>What the entity costs to encode (tokens, pictures), by which batches are filled.</summary>
    int Cost(int entity);

    /// <summary>Encodes entities, all of which have the modality.</summary>
    /// <returns>float32 [entities, <see cref="FeatureSize"/>] in the order given.</returns>
    Tensor Encode(ReadOnlySpan<int> entities);
}
