using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Models.Scorers;

/// <summary>
/// RotatE (Sun et al. 2019): γ − ‖h ∘ r − t‖ with |r_i| = 1, here with the Euclidean norm over all coordinates, so that distances to
/// all candidates are one matrix product. A vector holds all real parts, then all imaginary parts.
/// </summary>
public sealed class RotatE : Scorer
{
    private const double InitialMargin = 9;
    private readonly Parameter phases;
    private readonly Parameter margin;

    /// <summary>Creates the scorer with phases drawn evenly from (−π, π).</summary>
    public RotatE(int rank, int relationCount) : base(nameof(RotatE), 2 * rank)
    {
        phases = Table(rand(2L * relationCount, rank).sub_(0.5).mul_(2 * Math.PI));
        margin = nn.Parameter(tensor((float)InitialMargin));
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Tensor InitialEntities(long count, double scale) => randn(count, EntitySize).mul_(InitialMargin / 4 / Math.Sqrt(EntitySize));

    /// <inheritdoc/>
    public override Tensor Query(Tensor heads, Tensor relations)
    {
        ArgumentNullException.ThrowIfNull(heads);
        var (h, angle) = (heads.chunk(2, 1), phases.index_select(0, relations));
        var (cosine, sine) = (angle.cos(), angle.sin()); // [queries, rank]
        return cat([(h[0] * cosine) - (h[1] * sine), (h[0] * sine) + (h[1] * cosine)], 1);
    }

    /// <inheritdoc/>
    public override bool IsBilinear => false;

    /// <inheritdoc/>
    public override Tensor Score(Tensor queries, Tensor candidates)
    {
        ArgumentNullException.ThrowIfNull(queries);
        ArgumentNullException.ThrowIfNull(candidates);
        // ‖q − t‖² = ‖q‖² + ‖t‖² − 2 q·t; the floor keeps the root's gradient finite.
        var squared = queries.square().sum(1, keepdim: true) + candidates.square().sum(1) - (2 * queries.mm(candidates.t()));
        return margin - squared.clamp_min(1e-6).sqrt();
    }
}
