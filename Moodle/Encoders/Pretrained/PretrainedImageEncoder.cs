using System.Collections.Immutable;
using Moodle.Configuration;
using Moodle.Modalities;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Encoders.Pretrained;

/// <summary>Pictures through a pre-trained image network; an entity's pictures become one vector. Memory holds two batches of pictures.</summary>
public sealed class PretrainedImageEncoder : IFrozenEncoder
{
    // Of the cosines that attention's softmax is over.
    private const double Temperature = 0.1;
    // Of one forward pass. More on a CPU only make maps that leave the caches and that the allocator fetches from the system each time.
    private const int PicturesOnCpu = 4;
    private const int PicturesOnGpu = 32;
    private readonly PretrainedImageModel _model;
    private readonly PicturePreprocessing _preprocessing;
    private readonly PicturePooling _pooling;
    private readonly Device _device;
    private readonly ImmutableArray<ImmutableArray<string>> _paths;
    private readonly Tensor _scale;
    private readonly Tensor _shift;

    /// <summary>Reads the network.</summary>
    /// <param name="config">The network; its path is set.</param>
    /// <param name="paths">For each entity the paths of the pictures that are used.</param>
    /// <param name="device">Where it computes.</param>
    /// <exception cref="InputException">The folder cannot be used.</exception>
    public PretrainedImageEncoder(PretrainedImageConfig config, ImmutableArray<ImmutableArray<string>> paths, Device device)
    {
        ArgumentNullException.ThrowIfNull(config);
        (_pooling, _device, _paths) = (config.Pictures, device, paths);
        _preprocessing = File.Exists(config.Path) ? PicturePreprocessing.MobileNetV2 : PicturePreprocessing.Read(Path.Combine(config.Path!, PicturePreprocessing.FileName));
        _model = PretrainedImageModel.Open(config.Path!, config.Pooling, device);
        if (_model.Side is { } side && (side != _preprocessing.OutputHeight || side != _preprocessing.OutputWidth))
        {
            _model.Dispose();
            throw new InputException($"{Path.Combine(config.Path!, PicturePreprocessing.FileName)}: gives pictures of {_preprocessing.OutputHeight} × {_preprocessing.OutputWidth} pixels, "
                + $"but the network's positions are for {side} × {side}; mend 'size' and 'crop_size'");
        }

        Entities = [.. Enumerable.Range(0, paths.Length).Where(entity => !paths[entity].IsEmpty)];
        using var scope = NewDisposeScope();
        // (byte * scale - mean) / deviation in one step.
        _scale = tensor(_preprocessing.Deviation.Select(deviation => (float)(_preprocessing.Scale / deviation)).ToArray(), device: device).view(1, 3, 1, 1).DetachFromDisposeScope();
        _shift = tensor(_preprocessing.Mean.Zip(_preprocessing.Deviation, (mean, deviation) => (float)(-mean / deviation)).ToArray(), device: device).view(1, 3, 1, 1).DetachFromDisposeScope();
    }

    /// <inheritdoc/>
    public int FeatureSize => _model.FeatureSize;

    /// <inheritdoc/>
    public string Unit => "pictures";

    /// <inheritdoc/>
    public IReadOnlyList<int> Entities { get; }

    /// <inheritdoc/>
    public int BatchCost => PicturesOnGpu;

    /// <summary>The architecture, and what it is given.</summary>
    public string Summary => $"{_model.Architecture}; pictures of {_preprocessing.OutputHeight} × {_preprocessing.OutputWidth} pixels";

    /// <inheritdoc/>
    public int Cost(int entity) => _paths[entity].Length;

    /// <inheritdoc/>
    public int Inputs(int entity) => _paths[entity].Length;

    /// <inheritdoc/>
    public FrozenBatch Prepare(IReadOnlyList<int> entities, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(entities);
        var files = entities.SelectMany(entity => _paths[entity].Select(path => (Entity: entity, Path: path))).ToArray();
        var (pixels, problems) = (new byte[]?[files.Length], new string?[files.Length]);
        Parallel.For(0, files.Length, new ParallelOptions { CancellationToken = cancellation, MaxDegreeOfParallelism = Environment.ProcessorCount }, i =>
        {
            var bytes = new byte[_preprocessing.OutputHeight * _preprocessing.OutputWidth * 3];
            pixels[i] = PictureReader.TryRead(files[i].Path, _preprocessing, bytes, out problems[i]) ? bytes : null;
        });
        var (present, pictures, broken) = (new List<int>(), new List<(int Row, byte[] Pixels)>(), new List<BrokenInput>());
        for (var i = 0; i < files.Length; i++)
        {
            if (pixels[i] is not { } read)
            {
                broken.Add(new BrokenInput(files[i].Path, problems[i]!));
                continue;
            }

            if (present.Count == 0 || present[^1] != files[i].Entity)
            {
                present.Add(files[i].Entity);
            }

            pictures.Add((present.Count - 1, read));
        }

        return new Batch(present, broken, pictures);
    }

    /// <inheritdoc/>
    public Tensor Encode(FrozenBatch batch)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var pictures = ((Batch)batch).Pictures;
        if (pictures.Count == 0)
        {
            return zeros(0, FeatureSize).MoveToOuterDisposeScope();
        }

        var parts = new List<Tensor>();
        var atOnce = _device.type == DeviceType.CPU ? PicturesOnCpu : PicturesOnGpu;
        for (var first = 0; first < pictures.Count; first += atOnce)
        {
            using var inner = NewDisposeScope();
            parts.Add(_model.Forward(Input(pictures, first, Math.Min(atOnce, pictures.Count - first))).cpu().MoveToOuterDisposeScope());
        }

        var features = cat(parts, 0); // [pictures, feature]
        var rows = pictures.Select((picture, i) => (picture.Row, I: i)).GroupBy(entry => entry.Row, entry => (long)entry.I);
        return stack(rows.Select(row => Pool(features.narrow(0, row.First(), row.Count()), _pooling)), 0).MoveToOuterDisposeScope(); // [entities, feature]
    }

    /// <summary>[pictures, feature] to [feature].</summary>
    internal static Tensor Pool(Tensor features, PicturePooling pooling) => pooling switch
    {
        PicturePooling.Mean => features.mean([0]),
        PicturePooling.Max => features.amax([0]),
        _ => (nn.functional.cosine_similarity(features, features.mean([0], keepdim: true), dim: 1) / Temperature).softmax(0).unsqueeze(0).mm(features).squeeze(0),
    };

    /// <inheritdoc/>
    public void Dispose()
    {
        _model.Dispose();
        _scale.Dispose();
        _shift.Dispose();
    }

    // float32 [pictures, 3, height, width], channels innermost in memory, which is how pictures come and what convolutions are fastest with.
    private Tensor Input(List<(int Row, byte[] Pixels)> pictures, int first, int count)
    {
        var size = _preprocessing.OutputHeight * _preprocessing.OutputWidth * 3;
        var bytes = new byte[count * size];
        for (var i = 0; i < count; i++)
        {
            pictures[first + i].Pixels.CopyTo(bytes, i * size);
        }

        return tensor(bytes, count, _preprocessing.OutputHeight, _preprocessing.OutputWidth, 3, dtype: ScalarType.Byte, device: _device)
            .permute(0, 3, 1, 2).to(ScalarType.Float32).mul_(_scale).add_(_shift);
    }

    private sealed record Batch(IReadOnlyList<int> Entities, IReadOnlyList<BrokenInput> Broken, List<(int Row, byte[] Pixels)> Pictures) : FrozenBatch(Entities, Broken);
}
