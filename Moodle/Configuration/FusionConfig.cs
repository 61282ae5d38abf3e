namespace Moodle.Configuration;

/// <summary>What is held out together.</summary>
public enum HoldOutUnit
{
    /// <summary>Single triples where validation triples have their ends linked by other training triples at least half as often as training triples have; else pairs.</summary>
    Auto,

    /// <summary>All triples between the same two entities, so that an inverse or symmetric fact does not tell.</summary>
    Pair,

    /// <summary>Every triple by itself, as splits are drawn in which inverse facts may tell.</summary>
    Triple,
}

/// <summary>Fusion: a gated query over all modalities, and a relation-aware sum of all predictions.</summary>
public sealed record FusionConfig
{
    /// <summary>Whether there is a fusion stage. Without it, branches are reported alone.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>Share of the training triples that the branches do not see before the fusion has learned from them; 0 lets the fusion learn from what the branches know by heart.</summary>
    [Between(0, 0.5)]
    public double HoldOut { get; init; } = 0.1;

    /// <summary>What is held out together: what the fusion learns from should be as hard for the branches as the triples that it is made for.</summary>
    public HoldOutUnit HoldOutBy { get; init; }

    /// <summary>Size of the fused query and candidates.</summary>
    [AtLeast(1)]
    public int HiddenSize { get; init; } = 128;

    /// <summary>Rank of the product interaction between modalities; 0 leaves it out.</summary>
    [AtLeast(0)]
    public int InteractionRank { get; init; } = 32;

    /// <summary>Whether the weights α of the branches' scores are learned for each relation, or one for all.</summary>
    public bool RelationAware { get; init; } = true;

    /// <summary>Chance that a modality of a query is hidden from the fusion while it trains, shared among the modalities; never the last one.</summary>
    [Between(0, 0.9)]
    public double ModalityDropout { get; init; } = 0.1;

    /// <summary>Dropout on the fused query.</summary>
    [Between(0, 0.95)]
    public double Dropout { get; init; } = 0.1;
}

/// <summary>Contrastive losses of the fusion stage.</summary>
public sealed record ContrastConfig
{
    /// <summary>Whether there is a contrastive loss.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>Weight of InfoNCE between two modalities of one entity.</summary>
    [AtLeast(0)]
    public double ModalityWeight { get; init; } = 0.1;

    /// <summary>Weight of InfoNCE between the fused query and its fused answer.</summary>
    [AtLeast(0)]
    public double QueryWeight { get; init; } = 0.1;

    /// <summary>Highest scored false candidates that each query adds as hard negatives.</summary>
    [AtLeast(0)]
    public int HardNegatives { get; init; } = 16;

    /// <summary>Initial temperature; learned from there.</summary>
    [Between(0.005, 1)]
    public double Temperature { get; init; } = 0.1;
}
