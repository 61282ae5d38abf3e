using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Models.Scorers;

/// <summary>ComplEx (Trouillon et al. 2016): Re⟨h, r, t̄⟩. A vector holds all real parts, then all imaginary parts.</summary>
public sealed class ComplEx : Scorer
{
    private readonly Parameter relations;

    /// <summary>Creates the scorer with relations drawn from N(0, scale²).</summary>
    public ComplEx(int rank, int relationCount, double scale) : base(nameof(ComplEx), 2 * rank)
    {
        relations = Table(randn(2L * relationCount, EntitySize).mul_(scale));
        RegisterComponents();
    }

    /// <summary>[2|R|, 2 rank].</summary>
    internal Parameter Relations => relations;

    /// <inheritdoc/>
    public override Tensor Query(Tensor heads, Tensor relations)
    {
        ArgumentNullException.ThrowIfNull(heads);
        var (h, r) = (heads.chunk(2, 1), this.relations.index_select(0, relations).chunk(2, 1)); // re, im: [queries, rank]
        return cat([(h[0] * r[0]) - (h[1] * r[1]), (h[0] * r[1]) + (h[1] * r[0])], 1);
    }

    /// <inheritdoc/>
    public override Tensor EntityNorm(Tensor entities) => CubedModuli(entities);

    /// <inheritdoc/>
    public override Tensor RelationNorm(Tensor relations) => CubedModuli(this.relations.index_select(0, relations));

    /// <inheritdoc/>
    public override bool ScoresRelations => true;

    /// <inheritdoc/>
    public override Tensor ScoreRelations(Tensor heads, Tensor tails)
    {
        ArgumentNullException.ThrowIfNull(heads);
        ArgumentNullException.ThrowIfNull(tails);
        var (h, t) = (heads.chunk(2, 1), tails.chunk(2, 1)); // re, im: [n, rank]
        return cat([(h[0] * t[0]) + (h[1] * t[1]), (h[0] * t[1]) - (h[1] * t[0])], 1).mm(relations.t());
    }

    // Σ (re² + im²)^{3/2}: the nuclear 3-norm of Lacroix et al. 2018 for complex factors.
    private static Tensor CubedModuli(Tensor x)
    {
        var parts = x.chunk(2, 1);
        var squared = parts[0].square() + parts[1].square();
        return (squared * (squared + 1e-30).sqrt()).sum(1);
    }
}
