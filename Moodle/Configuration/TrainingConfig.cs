namespace Moodle.Configuration;

/// <summary>The optimisers.</summary>
public enum OptimizerKind
{
    /// <summary>Adagrad (Duchi et al. 2011), the usual choice for embeddings.</summary>
    Adagrad,

    /// <summary>AdamW (Loshchilov and Hutter 2019).</summary>
    AdamW,
}

/// <summary>How the losses of the branches are weighed against each other.</summary>
public enum TaskWeighting
{
    /// <summary>All the same.</summary>
    Fixed,

    /// <summary>Learned from homoscedastic uncertainty (Kendall et al. 2018).</summary>
    Uncertainty,
}

/// <summary>What a GPU rounds the factors of matrix products to in training; weights, sums and losses are float32 always, and so is ranking.</summary>
public enum ProductPrecision
{
    /// <summary>TF32: 10 bits after the point, several times as fast.</summary>
    Tf32,

    /// <summary>float32: nothing is rounded.</summary>
    Full,
}

/// <summary>Optimisation, validation and checkpoints.</summary>
public sealed record TrainingConfig
{
    /// <summary>Training triples in a batch, both directions counted: batches are cut where their distinct queries' answers reach it.</summary>
    [AtLeast(1)]
    public int BatchSize { get; init; } = 1000;

    /// <summary>Precision of a GPU's matrix products; the CPU's are float32.</summary>
    public ProductPrecision Products { get; init; }

    /// <summary>The most answers of a query that share a row of logits in a batch: more is faster, fewer mix a batch better.</summary>
    [AtLeast(1)]
    public int AnswersPerRow { get; init; } = 32;

    /// <summary>Label smoothing of the 1-vs-all cross-entropy.</summary>
    [Between(0, 0.99)]
    public double LabelSmoothing { get; init; }

    /// <summary>Weights of the branches' losses.</summary>
    public TaskWeighting TaskWeights { get; init; } = TaskWeighting.Fixed;

    /// <summary>The stage in which all branches train jointly.</summary>
    public StageConfig Unimodal { get; init; } = new();

    /// <summary>The stage in which the fusion trains.</summary>
    public FusionStageConfig Fusion { get; init; } = new();

    /// <summary>The last stage, in which the branches go on with all training triples, those of the fusion included; 0 epochs leave it out.</summary>
    public StageConfig Refit { get; init; } = new() { Epochs = 20, LearningRate = 0.02 };

    /// <summary>Norm that gradients of the fusion are clipped to; 0 does not clip.</summary>
    [AtLeast(0)]
    public double ClipNorm { get; init; }

    /// <summary>Epochs between two validations.</summary>
    [AtLeast(1)]
    public int ValidateEvery { get; init; } = 1;

    /// <summary>Validations without a better MRR after which a stage ends; 0 never ends it early.</summary>
    [AtLeast(0)]
    public int Patience { get; init; } = 10;

    /// <summary>At most so many validation triples are ranked while training, chosen by seed; 0 ranks all.</summary>
    [AtLeast(0)]
    public int ValidationTriples { get; init; }

    /// <summary>Seconds between two checkpoints within an epoch.</summary>
    [AtLeast(1)]
    public int CheckpointSeconds { get; init; } = 300;
}

/// <summary>Length and optimiser of a stage.</summary>
public record StageConfig
{
    /// <summary>The most passes over the training triples.</summary>
    [AtLeast(0)]
    public int Epochs { get; init; } = 100;

    /// <summary>The optimiser.</summary>
    public OptimizerKind Optimizer { get; init; } = OptimizerKind.Adagrad;

    /// <summary>Its learning rate.</summary>
    [MoreThan(0)]
    public double LearningRate { get; init; } = 0.1;
}

/// <summary>The fusion stage: its epochs, optimiser and learning rate are those of the fused vectors.</summary>
public sealed record FusionStageConfig : StageConfig
{
    /// <summary>Starts with AdamW at 0.001 for 30 epochs.</summary>
    public FusionStageConfig() => (Epochs, Optimizer, LearningRate) = (30, OptimizerKind.AdamW, 1e-3);

    /// <summary>Learning rate of AdamW for the balance between predictions.</summary>
    [MoreThan(0)]
    public double BalanceRate { get; init; } = 0.01;

    /// <summary>Decoupled weight decay of AdamW for the balance.</summary>
    [AtLeast(0)]
    public double BalanceDecay { get; init; } = 0.1;
}
