using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Models.Scorers;

/// <summary>DistMult (Yang et al. 2015): Σ h r t.</summary>
public sealed class DistMult : Scorer
{
    private readonly Parameter relations;

    /// <summary>Creates the scorer with relations drawn from N(0, scale²).</summary>
    public DistMult(int rank, int relationCount, double scale) : base(nameof(DistMult), rank)
    {
        relations = Table(randn(2L * relationCount, rank).mul_(scale));
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Tensor Query(Tensor heads, Tensor relations) => heads * this.relations.index_select(0, relations);

    /// <inheritdoc/>
    public override Tensor EntityNorm(Tensor entities)
    {
        ArgumentNullException.ThrowIfNull(entities);
        return entities.abs().pow(3).sum(1);
    }

    /// <inheritdoc/>
    public override Tensor RelationNorm(Tensor relations) => EntityNorm(this.relations.index_select(0, relations));

    /// <inheritdoc/>
    public override bool ScoresRelations => true;

    /// <inheritdoc/>
    public override Tensor ScoreRelations(Tensor heads, Tensor tails) => (heads * tails).mm(relations.t());
}
