namespace Moodle.Configuration;

/// <summary>
/// A second predictor of structure, which answers by the paths that lead from the query's known end to each entity (NBFNet: Zhu et al. 2021). It has a stage of its own before
/// the branches', and the fusion weighs it beside them.
/// </summary>
public sealed record PathConfig
{
    /// <summary>Whether it takes part. It takes far longer than a branch: for thousands of triples seconds an epoch on a CPU, for hundreds of thousands minutes on a GPU.</summary>
    public bool Enabled { get; init; }

    /// <summary>d: numbers of an entity's state. On a GPU a multiple of 8 is computed by kernels.</summary>
    [Between(1, 256)]
    public int HiddenSize { get; init; } = 32;

    /// <summary>Message-passing layers: the longest paths that count.</summary>
    [Between(1, 16)]
    public int Layers { get; init; } = 6;

    /// <summary>Share of each layer's change that is dropped in training.</summary>
    [Between(0, 0.99)]
    public double Dropout { get; init; }

    /// <summary>
    /// What of a batch's triples is hidden from the graph, so that answers cannot be read off it: all edges between the ends (pair), or the triples themselves (triple). Auto hides
    /// pairs, or triples where validation's ends are as often linked by other training triples as training's are.
    /// </summary>
    public HoldOutUnit Hide { get; init; }

    /// <summary>The most passes over the training triples.</summary>
    [AtLeast(0)]
    public int Epochs { get; init; } = 5;

    /// <summary>Training triples in a batch, both directions counted.</summary>
    [AtLeast(1)]
    public int BatchSize { get; init; } = 128;

    /// <summary>The most answers of a query that are asked for at once: more is faster, fewer leave more of the graph to be seen.</summary>
    [AtLeast(1)]
    public int AnswersPerRow { get; init; } = 8;

    /// <summary>Peak learning rate of AdamW (warmed up over the first twentieth, then decaying to zero by a cosine).</summary>
    [MoreThan(0)]
    public double LearningRate { get; init; } = 5e-3;

    /// <summary>Decoupled weight decay of AdamW.</summary>
    [AtLeast(0)]
    public double WeightDecay { get; init; } = 0;
}
