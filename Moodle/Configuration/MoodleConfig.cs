namespace Moodle.Configuration;

/// <summary>Everything that a training run can be told. Keys in YAML are the property names in snake case.</summary>
public sealed record MoodleConfig
{
    /// <summary>The data set.</summary>
    public DataConfig Data { get; init; } = new();

    /// <summary>Seed of every random choice.</summary>
    public int Seed { get; init; } = 1;

    /// <summary><c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
    [OneOfPattern(@"^(cpu|cuda(:\d+)?)$", "cpu, cuda or cuda:N")]
    public string Device { get; init; } = "cpu";

    /// <summary>CPU threads of libtorch; 0 takes as many as there are cores.</summary>
    [AtLeast(0)]
    public int Threads { get; init; }

    /// <summary>The modalities that take part: any of structure, text, image.</summary>
    [NotEmpty]
    public IReadOnlyList<Modality> Modalities { get; init; } = [Modality.Structure, Modality.Text, Modality.Image];

    /// <summary>The structure branch.</summary>
    public BranchConfig Structure { get; init; } = new();

    /// <summary>Paths: a second predictor of structure.</summary>
    public PathConfig Paths { get; init; } = new();

    /// <summary>The text branch.</summary>
    public TextConfig Text { get; init; } = new();

    /// <summary>The image branch.</summary>
    public ImageConfig Image { get; init; } = new();

    /// <summary>Mutual guidance between the branches.</summary>
    public GuidanceConfig Guidance { get; init; } = new();

    /// <summary>Fusion of the branches.</summary>
    public FusionConfig Fusion { get; init; } = new();

    /// <summary>Contrastive losses of the fusion stage.</summary>
    public ContrastConfig Contrast { get; init; } = new();

    /// <summary>Optimisation, validation and checkpoints.</summary>
    public TrainingConfig Training { get; init; } = new();

    /// <summary>Ranking and its intervals.</summary>
    public EvaluationConfig Evaluation { get; init; } = new();

    /// <summary>Whether there is a fusion: it is on, and there are several predictors.</summary>
    public bool HasFusion() => Fusion.Enabled && (Modalities.Count > 1 || Paths.Enabled);

    /// <summary>The same with full paths, so that it means the same wherever it is read.</summary>
    /// <param name="configFile">The configuration file that names them.</param>
    /// <exception cref="InputException">A path that is used leads nowhere.</exception>
    public MoodleConfig WithFullPaths(string configFile)
    {
        string? Encoder(string branch, Modality modality, string? path) => path is null || !Modalities.Contains(modality) ? path
            : ConfigPath.Resolve($"{branch}.encoder.pretrained.path", path, configFile, "the folder with the encoder's config.json and weights, or null to train one from scratch", files: true);
        return this with
        {
            Data = Data.WithFullPaths(configFile),
            Text = Text with { Encoder = Text.Encoder with { Pretrained = Text.Encoder.Pretrained with { Path = Encoder("text", Modality.Text, Text.Encoder.Pretrained.Path) } } },
            Image = Image with { Encoder = Image.Encoder with { Pretrained = Image.Encoder.Pretrained with { Path = Encoder("image", Modality.Image, Image.Encoder.Pretrained.Path) } } },
        };
    }
}
