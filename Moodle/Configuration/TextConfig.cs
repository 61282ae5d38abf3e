namespace Moodle.Configuration;

/// <summary>The text branch: documents, their encoder, and the branch's scorer.</summary>
public sealed record TextConfig : BranchConfig, IChecked
{
    /// <summary>Features that were made elsewhere, in place of the encoder.</summary>
    public FeatureFileConfig Features { get; init; } = new();

    /// <summary>What an entity's document holds.</summary>
    public DocumentConfig Document { get; init; } = new();

    /// <summary>The transformer.</summary>
    public TextEncoderConfig Encoder { get; init; } = new();

    /// <summary>How the encoder is trained in the encode stage.</summary>
    public TextTrainingConfig Pretrain { get; init; } = new();

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Check() => Features.CheckBeside(Encoder.Pretrained);
}

/// <summary>An entity's document: always its name, then what is asked for.</summary>
public sealed record DocumentConfig
{
    /// <summary>Whether the description belongs to the document.</summary>
    public bool Description { get; init; } = true;

    /// <summary>Whether the entity's training triples in words belong to it, the first of each relation before the second. Never validation or test triples.</summary>
    public bool Triples { get; init; }

    /// <summary>The limit of a document's tokens; the rest is cut.</summary>
    [Between(4, 32768)]
    public int MaxTokens { get; init; } = 2048;

    /// <summary>Size of the word-piece vocabulary that is learned from the documents.</summary>
    [AtLeast(300)]
    public int VocabularySize { get; init; } = 6000;
}

/// <summary>A pre-norm transformer encoder with rotary positions.</summary>
public sealed record TextEncoderConfig : IChecked
{
    /// <summary>Hidden size; a multiple of <see cref="Heads"/> with an even quotient.</summary>
    [AtLeast(8)]
    public int HiddenSize { get; init; } = 128;

    /// <summary>Number of layers.</summary>
    [AtLeast(1)]
    public int Layers { get; init; } = 2;

    /// <summary>Number of attention heads.</summary>
    [AtLeast(1)]
    public int Heads { get; init; } = 4;

    /// <summary>Size of the feed-forward layer.</summary>
    [AtLeast(8)]
    public int FeedForwardSize { get; init; } = 256;

    /// <summary>Dropout after attention and feed-forward.</summary>
    [Between(0, 0.95)]
    public double Dropout { get; init; } = 0.1;

    /// <summary>Chance that a token is left out of its document while the encoder trains, so that no single word gives an entity away.</summary>
    [Between(0, 0.9)]
    public double TokenDropout { get; init; } = 0.2;

    /// <summary>What layers multiply with; what is learned, norms and the sums along the layers stay float32.</summary>
    public EncoderPrecision Precision { get; init; }

    /// <summary>Attention over a document's tokens.</summary>
    public TextAttentionConfig Attention { get; init; } = new();

    /// <summary>An encoder from elsewhere in place of one trained from scratch.</summary>
    public PretrainedTextConfig Pretrained { get; init; } = new();

    internal int HeadSize => HiddenSize / Heads;

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Check()
    {
        if (Attention.Kind is TextAttention.Cpu or TextAttention.Reference && (HeadSize % 8 != 0 || HeadSize > 128))
        {
            yield return ("attention.kind", $"AnchorAttention needs heads whose size is a multiple of 8 up to 128, not {HiddenSize} / {Heads}; change hidden_size or heads, or take kind dense");
        }

        foreach (var layer in Attention.Layers.Where(layer => layer < 0 || layer >= Layers))
        {
            yield return ("attention.layers", $"there is no layer {layer}; expected numbers from 0 to {Layers - 1}");
        }

        if (HiddenSize % Heads != 0 || HeadSize % 2 != 0)
        {
            yield return ("hidden_size", $"{HiddenSize} cannot be divided among {Heads} heads into even sizes; use a multiple of {2 * Heads}");
        }
    }
}

/// <summary>Training of an encoder in the encode stage, as a bi-encoder with in-batch negatives.</summary>
public record EncoderTrainingConfig
{
    /// <summary>Passes over the entities; 0 leaves the encoder as it was initialised.</summary>
    [AtLeast(0)]
    public int Epochs { get; init; } = 10;

    /// <summary>Entities in a batch; each brings one training triple and its other end.</summary>
    [AtLeast(2)]
    public int BatchSize { get; init; } = 128;

    /// <summary>Peak learning rate of AdamW (warmed up over the first tenth, then decaying to zero by a cosine).</summary>
    [MoreThan(0)]
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>Decoupled weight decay of AdamW.</summary>
    [AtLeast(0)]
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>Initial temperature of the in-batch softmax; learned from there.</summary>
    [Between(0.005, 1)]
    public double Temperature { get; init; } = 0.05;
}

/// <summary>Training of the text encoder.</summary>
public sealed record TextTrainingConfig : EncoderTrainingConfig
{
    /// <summary>Tokens in a batch, by which long documents make batches smaller: bounds memory.</summary>
    [AtLeast(64)]
    public int MaxBatchTokens { get; init; } = 65536;
}
