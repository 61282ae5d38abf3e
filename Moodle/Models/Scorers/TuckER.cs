using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Models.Scorers;

/// <summary>TuckER (Balažević et al. 2019): a learned core tensor times relation, head and tail.</summary>
public sealed class TuckER : Scorer
{
    private readonly int _rank;
    private readonly Parameter core;
    private readonly Parameter relations;

    /// <summary>Creates the scorer with a core near the superdiagonal, that is near DistMult, and small noise.</summary>
    public TuckER(int rank, int relationCount) : base(nameof(TuckER), rank)
    {
        _rank = rank;
        var initial = randn(rank, rank, rank).mul_(0.1 / rank);
        for (var i = 0; i < rank; i++)
        {
            initial[i, i, i] = 1;
        }

        core = nn.Parameter(initial.view(rank, (long)rank * rank)); // [relation, head * tail]
        relations = Table(randn(2L * relationCount, rank).mul_(0.1));
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Tensor InitialEntities(long count, double scale) => randn(count, EntitySize).mul_(0.1);

    /// <inheritdoc/>
    public override Tensor Query(Tensor heads, Tensor relations)
    {
        ArgumentNullException.ThrowIfNull(heads);
        ArgumentNullException.ThrowIfNull(relations);
        // One matrix for each relation of the batch, not for each query: a batch has far fewer relations than rows.
        var (used, inverse, _) = unique(relations, sorted: true, return_inverse: true);
        var matrices = this.relations.index_select(0, used).mm(core).view(-1, _rank, _rank); // [used, head, tail]
        return bmm(heads.unsqueeze(1), matrices.index_select(0, inverse!)).squeeze(1); // [queries, tail]
    }
}
