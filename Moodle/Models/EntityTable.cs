using Moodle.Models.Scorers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Models;

/// <summary>Where a branch's entity vectors come from.</summary>
public abstract class EntityTable : nn.Module
{
    /// <summary>Creates the table.</summary>
    protected EntityTable(string name) : base(name)
    {
    }

    /// <summary>float32 [|E|], 1 for an entity that has the modality and 0 for one that lacks it.</summary>
    public abstract Tensor Available { get; }

    /// <summary>What entities that lack the modality ask with, [1, size]; null where there are none.</summary>
    internal virtual Parameter? Missing => null;

    /// <summary>Vectors of all entities as candidates: [|E|, size]. Computed anew on each call, with gradients.</summary>
    public abstract Tensor Candidates();

    /// <summary>Vectors of entities as the known end of a query.</summary>
    /// <param name="vectors">Their rows of <see cref="Candidates"/>: [queries, size].</param>
    /// <param name="entities">int64 [queries].</param>
    /// <returns>[queries, size].</returns>
    public abstract Tensor AsHeads(Tensor vectors, Tensor entities);
}

/// <summary>A free vector for every entity: the structure branch.</summary>
public sealed class FreeEntityTable : EntityTable
{
    private readonly Parameter vectors;

    /// <summary>Creates the table as the scorer likes to start.</summary>
    public FreeEntityTable(Scorer scorer, int entityCount, double scale) : base(nameof(FreeEntityTable))
    {
        ArgumentNullException.ThrowIfNull(scorer);
        vectors = nn.Parameter(scorer.InitialEntities(entityCount, scale));
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Tensor Available => ones(vectors.shape[0], device: vectors.device);

    /// <inheritdoc/>
    public override Tensor Candidates() => vectors;

    /// <inheritdoc/>
    public override Tensor AsHeads(Tensor vectors, Tensor entities) => vectors;
}
