namespace Moodle.Configuration;

/// <summary>Which of a pre-trained transformer's vectors stands for its input.</summary>
public enum TokenPooling
{
    /// <summary>The mean over a document's tokens or a convolutional network's map; the class token of a vision transformer.</summary>
    Auto,

    /// <summary>The mean: over all tokens of a document, over a picture's patches, over a map.</summary>
    Mean,

    /// <summary>The class token, where there is one.</summary>
    Cls,
}

/// <summary>How an entity's pictures become one vector.</summary>
public enum PicturePooling
{
    /// <summary>Their mean.</summary>
    Mean,

    /// <summary>The largest value of each component.</summary>
    Max,

    /// <summary>A mean in which a picture weighs the more, the more it is like the others: softmax over cosines with their mean, at temperature 0.1. Nothing is learned.</summary>
    Attention,
}

/// <summary>A pre-trained encoder on disk. It is frozen: its features are computed once, and what trains is the branch's projection of them.</summary>
public abstract record PretrainedConfig
{
    /// <summary>The folder of a Hugging Face model (config.json, weights in safetensors, what prepares its input); null trains an encoder from scratch. Relative paths as for data.path. With it, the other keys of the encoder and those of its training have no effect.</summary>
    public string? Path { get; init; }

    /// <summary>Which of its vectors stands for an input.</summary>
    public TokenPooling Pooling { get; init; }
}

/// <summary>A pre-trained text encoder: BERT (also MiniLM), DistilBERT, MPNet or ModernBERT. Frozen: what trains is the branch's projection of its features.</summary>
public sealed record PretrainedTextConfig : PretrainedConfig
{
    /// <summary>Whether learned positions are stretched over documents of more tokens than they were learned for; otherwise text.document.max_tokens beyond them is an error.</summary>
    public bool Interpolate { get; init; }
}

/// <summary>A pre-trained image encoder: ViT, CLIP, DINOv2, ResNet or MobileNetV2, also as a single .npz file. Frozen: what trains is the branch's projection of its features.</summary>
public sealed record PretrainedImageConfig : PretrainedConfig
{
    /// <summary>How an entity's pictures become one vector.</summary>
    public PicturePooling Pictures { get; init; }
}
