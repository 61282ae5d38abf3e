using Moodle.Configuration;
using static TorchSharp.torch;

namespace Moodle.Encoders.Pretrained;

/// <summary>A pre-trained image network, frozen.</summary>
public abstract class PretrainedImageModel : IDisposable
{
    /// <summary>The architecture as <c>config.json</c> names it.</summary>
    public abstract string Architecture { get; }

    /// <summary>Length of a picture's vector.</summary>
    public abstract int FeatureSize { get; }

    /// <summary>The input that the network was made for, in pixels; null where any will do.</summary>
    public abstract int? Side { get; }

    /// <summary>A vector for each picture.</summary>
    /// <param name="pictures">float32 [pictures, 3, height, width], normalised.</param>
    /// <returns>float32 [pictures, <see cref="FeatureSize"/>].</returns>
    public abstract Tensor Forward(Tensor pictures);

    /// <summary>Reads a network.</summary>
    /// <param name="path">A folder, or an archive of MobileNetV2, as <see cref="PretrainedFolder"/> describes.</param>
    /// <param name="pooling">What of a picture's map is its vector.</param>
    /// <param name="device">Where it computes.</param>
    /// <exception cref="InputException">It cannot be read, is of another architecture, or weights and configuration do not fit.</exception>
    public static PretrainedImageModel Open(string path, TokenPooling pooling, Device device)
    {
        using var folder = PretrainedFolder.Open(path);
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        if (folder.Config is not { } config)
        {
            return MobileNetV2Model.Folded(folder, device);
        }

        var type = config.OneOf("model_type", null, "vit", "clip", "clip_vision_model", "dinov2", "dinov2_with_registers", "resnet", "mobilenet_v2");
        if (type is "resnet" or "mobilenet_v2" && pooling == TokenPooling.Cls)
        {
            throw new InputException($"image.encoder.pretrained.pooling: is cls, but {type} ({path}) has no class token; use mean or auto");
        }

        return type switch
        {
            "resnet" => new ResNetModel(folder, config, device),
            "mobilenet_v2" => MobileNetV2Model.Of(folder, config, device),
            _ => new VisionTransformerModel(folder, config, pooling == TokenPooling.Mean, device),
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the weights.</summary>
    protected abstract void Dispose(bool disposing);
}
