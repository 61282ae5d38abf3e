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
}
