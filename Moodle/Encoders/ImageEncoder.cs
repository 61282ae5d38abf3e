using Moodle.Attention;
using Moodle.Configuration;
using Moodle.Modalities;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Encoders;

/// <summary>Encodes every picture of an entity with one network and takes the mean over its pictures.</summary>
public sealed class ImageEncoder : nn.Module, IEntityEncoder
{
    private readonly Pictures _pictures;
    private readonly nn.Module<Tensor, Tensor> network;

    /// <summary>Creates an encoder with random weights from torch's generator.</summary>
    public ImageEncoder(ImageEncoderConfig config, Pictures pictures, IPackedAttention attention) : base(nameof(ImageEncoder))
    {
        ArgumentNullException.ThrowIfNull(config);
        (_pictures, FeatureSize) = (pictures, config.HiddenSize);
        network = config.Kind == ImageEncoderKind.Cnn ? new ConvolutionalNetwork(config) : new VisionTransformer(config, attention);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public int FeatureSize { get; }

    /// <inheritdoc/>
    public bool Has(int entity) => _pictures[entity].Count > 0;

    /// <inheritdoc/>
    public int Cost(int entity) => _pictures[entity].Count;

    /// <inheritdoc/>
    public Tensor Encode(ReadOnlySpan<int> entities)
    {
        using var scope = NewDisposeScope();
        var (owners, counts) = (new List<long>(), new float[entities.Length]);
        for (var i = 0; i < entities.Length; i++)
        {
            counts[i] = _pictures[entities[i]].Count;
            owners.AddRange(Enumerable.Repeat((long)i, _pictures[entities[i]].Count));
        }

        var size = _pictures.Size;
        var bytes = new byte[owners.Count * size * size * 3];
        for (int i = 0, next = 0; i < entities.Length; i++)
        {
            foreach (var picture in _pictures[entities[i]])
            {
                picture.CopyTo(bytes, next);
                next += picture.Length;
            }
        }

        var device = parameters().First().device;
        var x = tensor(bytes, owners.Count, size, size, 3, dtype: ScalarType.Byte).Upload(device)
            .to(ScalarType.Float32).div_(127.5).sub_(1).permute(0, 3, 1, 2).contiguous(); // [pictures, 3, size, size] in -1..1
        var features = network.forward(x); // [pictures, hidden]
        var sums = zeros(entities.Length, FeatureSize, device: device).index_add(0, tensor(owners.ToArray()).Upload(device), features, 1);
        return (sums / tensor(counts).Upload(device).unsqueeze(1)).MoveToOuterDisposeScope(); // [entities, hidden]
    }
}
