using Moodle.Models.Scorers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Models;

/// <summary>
/// Vectors projected from an encoder's features. An entity without the modality answers queries through a learned vector of its own
/// (a class that the others' features learn to name, such as a region that flags point to), but asks them with one shared learned
/// vector: nothing is known of it here, and no structure slips in that the modality does not have.
/// </summary>
public sealed class FeatureEntityTable : EntityTable
{
    private readonly EntityFeatures _features;
    private readonly Parameter? answers;
    private readonly Parameter? missing;
    private readonly LayerNorm norm;
    private readonly Linear head;

    /// <summary>Creates the table.</summary>
    /// <param name="scorer">The branch's scorer.</param>
    /// <param name="features">Features of the entities that have the modality, on the device that the table will be moved to.</param>
    /// <param name="scale">Standard deviation of the initial learned vectors.</param>
    public FeatureEntityTable(Scorer scorer, EntityFeatures features, double scale) : base(nameof(FeatureEntityTable))
    {
        ArgumentNullException.ThrowIfNull(scorer);
        ArgumentNullException.ThrowIfNull(features);
        _features = features;
        var lacking = features.EntityCount - features.Present;
        norm = nn.LayerNorm(features.Size);
        head = nn.Linear(features.Size, scorer.EntitySize);
        using (no_grad())
        {
            // Projections start as small as free embeddings do, so that one learning rate suits both.
            head.weight!.copy_(randn(scorer.EntitySize, features.Size).mul_(scale));
            head.bias!.zero_();
        }

        if (lacking > 0)
        {
            answers = nn.Parameter(scorer.InitialEntities(lacking, scale));
            missing = nn.Parameter(scorer.InitialEntities(1, scale));
        }

        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Tensor Available => _features.Available;

    /// <inheritdoc/>
    internal override Parameter? Missing => missing;

    /// <inheritdoc/>
    public override Tensor Candidates()
    {
        var known = head.forward(norm.forward(_features.Values)); // [present, size]
        return answers is null ? known.index_select(0, _features.Rows) : cat([known, answers], 0).index_select(0, _features.Rows);
    }

    /// <inheritdoc/>
    public override Tensor AsHeads(Tensor vectors, Tensor entities)
    {
        if (missing is null)
        {
            return vectors;
        }

        var has = Available.index_select(0, entities).gt(0.5).unsqueeze(1); // [queries, 1]
        return where(has, vectors, missing);
    }
}
