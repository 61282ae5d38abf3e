namespace Moodle.Configuration;

/// <summary>How a branch scores triples.</summary>
public enum ScorerKind
{
    /// <summary>ComplEx (Trouillon et al. 2016): Re⟨h, r, t̄⟩ over ℂ^rank.</summary>
    Complex,

    /// <summary>DistMult (Yang et al. 2015): ⟨h, r, t⟩ over ℝ^rank.</summary>
    DistMult,

    /// <summary>RotatE (Sun et al. 2019): −‖h ∘ r − t‖ with |r_i| = 1 over ℂ^rank.</summary>
    RotatE,

    /// <summary>TuckER (Balažević et al. 2019): a core tensor times h, r and t over ℝ^rank.</summary>
    TuckER,
}

/// <summary>A unimodal branch: the scorer and how its representations are kept in bounds.</summary>
public record BranchConfig
{
    /// <summary>The scorer.</summary>
    public ScorerKind Scorer { get; init; } = ScorerKind.Complex;

    /// <summary>Rank: the number of complex (ComplEx, RotatE) or real (DistMult, TuckER) dimensions.</summary>
    [AtLeast(1)]
    public int Rank { get; init; } = 100;

    /// <summary>Standard deviation of the initial embeddings (RotatE and TuckER choose their own).</summary>
    [MoreThan(0)]
    public double InitScale { get; init; } = 1e-3;

    /// <summary>Weight of the N3 regularisation (Lacroix et al. 2018) of the triple's factors; ComplEx and DistMult only.</summary>
    [AtLeast(0)]
    public double N3 { get; init; } = 0.05;

    /// <summary>
    /// Weight of relation prediction (Chen et al. 2021): each training triple's relation is told from its two entities as well; ComplEx and DistMult only.
    /// </summary>
    [AtLeast(0)]
    public double RelationWeight { get; init; }

    /// <summary>Dropout on the query vector.</summary>
    [Between(0, 0.95)]
    public double Dropout { get; init; }
}
