namespace Moodle.Configuration;

/// <summary>The kinds of image network that can be trained from scratch.</summary>
public enum ImageEncoderKind
{
    /// <summary>A small residual convolutional network.</summary>
    Cnn,

    /// <summary>A small vision transformer.</summary>
    Vit,
}

/// <summary>The image branch: pictures, their encoder, and the branch's scorer.</summary>
public sealed record ImageConfig : BranchConfig, IChecked
{
    /// <summary>Features that were made elsewhere, in place of the encoder.</summary>
    public FeatureFileConfig Features { get; init; } = new();

    /// <summary>The image network.</summary>
    public ImageEncoderConfig Encoder { get; init; } = new();

    /// <summary>How the encoder is trained in the encode stage.</summary>
    public EncoderTrainingConfig Pretrain { get; init; } = new();

    /// <summary>The most pictures of an entity that are used, the first ones in name order.</summary>
    [AtLeast(1)]
    public int MaxPictures { get; init; } = 4;

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Check() => Features.CheckBeside(Encoder.Pretrained);
}

/// <summary>An image network trained from scratch.</summary>
public sealed record ImageEncoderConfig : IChecked
{
    /// <summary>The network.</summary>
    public ImageEncoderKind Kind { get; init; } = ImageEncoderKind.Cnn;

    /// <summary>Side of the square input in pixels; a multiple of 8, or of the patch size for a vision transformer.</summary>
    [Between(16, 384)]
    public int Size { get; init; } = 32;

    /// <summary>Hidden size: channels of the last stage, or width of the transformer.</summary>
    [AtLeast(8)]
    public int HiddenSize { get; init; } = 128;

    /// <summary>Residual blocks for each stage of the convolutional network, or transformer layers.</summary>
    [AtLeast(1)]
    public int Layers { get; init; } = 1;

    /// <summary>Attention heads of the vision transformer.</summary>
    [AtLeast(1)]
    public int Heads { get; init; } = 4;

    /// <summary>Side of a patch of the vision transformer in pixels.</summary>
    [AtLeast(2)]
    public int PatchSize { get; init; } = 8;

    /// <summary>What layers multiply with; what is learned and norms stay float32.</summary>
    public EncoderPrecision Precision { get; init; }

    /// <summary>A network from elsewhere in place of one trained from scratch.</summary>
    public PretrainedImageConfig Pretrained { get; init; } = new();

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Check()
    {
        if (Kind == ImageEncoderKind.Vit && Size % PatchSize != 0)
        {
            yield return ("size", $"{Size} pixels cannot be cut into patches of {PatchSize}; use a multiple of the patch size");
        }

        if (Kind == ImageEncoderKind.Vit && HiddenSize % Heads != 0)
        {
            yield return ("hidden_size", $"{HiddenSize} cannot be divided among {Heads} heads; use a multiple of {Heads}");
        }

        if (Kind == ImageEncoderKind.Cnn && Size % 8 != 0)
        {
            yield return ("size", $"{Size} pixels cannot be halved three times; use a multiple of 8");
        }
    }
}
