using static TorchSharp.torch;

namespace Moodle.Models;

/// <summary>One modality's feature vectors, for the entities that have it.</summary>
public sealed class EntityFeatures
{
    /// <summary>Joins features with the entities that they belong to.</summary>
    /// <param name="values">float32 [present, size].</param>
    /// <param name="entities">The entity of each row, none twice.</param>
    /// <param name="entityCount">|E|.</param>
    /// <exception cref="ArgumentException">Rows and entities differ in number, or an entity is out of range or occurs twice.</exception>
    public EntityFeatures(Tensor values, IReadOnlyList<int> entities, int entityCount)
    {
        ArgumentNullException.ThrowIfNull(values);
        ArgumentNullException.ThrowIfNull(entities);
        if (values.dim() != 2 || values.shape[0] != entities.Count)
        {
            throw new ArgumentException($"features have shape [{string.Join(", ", values.shape)}], expected [{entities.Count}, size]", nameof(values));
        }

        var (rows, available) = (new long[entityCount], new float[entityCount]);
        for (var row = 0; row < entities.Count; row++)
        {
            if (entities[row] < 0 || entities[row] >= entityCount || available[entities[row]] != 0)
            {
                throw new ArgumentException($"entity {entities[row]} of row {row} is out of range or occurs twice", nameof(entities));
            }

            (rows[entities[row]], available[entities[row]]) = (row, 1);
        }

        for (int entity = 0, next = entities.Count; entity < entityCount; entity++)
        {
            if (available[entity] == 0)
            {
                rows[entity] = next++;
            }
        }

        (Values, EntityCount, Present) = (values, entityCount, entities.Count);
        (Rows, Available) = (tensor(rows), tensor(available));
    }

    private EntityFeatures(EntityFeatures other, Device device)
    {
        (EntityCount, Present) = (other.EntityCount, other.Present);
        (Values, Rows, Available) = (other.Values.to(device), other.Rows.to(device), other.Available.to(device));
    }

    /// <summary>The same on a device. Not a module's buffers: TorchSharp 0.107 leaves buffers that are not saved behind when it moves a module.</summary>
    public EntityFeatures To(Device device) => new(this, device);

    /// <summary>float32 [present, size].</summary>
    public Tensor Values { get; }

    /// <summary>int64 [|E|]: the row of an entity in its values or, past their end, in the table of those that lack the modality.</summary>
    public Tensor Rows { get; }

    /// <summary>float32 [|E|], 1 where the entity has the modality.</summary>
    public Tensor Available { get; }

    /// <summary>|E|.</summary>
    public int EntityCount { get; }

    /// <summary>The number of entities that have the modality.</summary>
    public int Present { get; }

    /// <summary>Length of a feature vector.</summary>
    public int Size => (int)Values.shape[1];
}
