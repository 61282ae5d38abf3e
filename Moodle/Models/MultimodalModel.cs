using Moodle.Configuration;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Models;

/// <summary>The whole model: a branch for each modality, what they teach each other, and their fusion.</summary>
public sealed class MultimodalModel : nn.Module
{
    private readonly BranchSet branches = new();
    private readonly MutualGuidance? guidance;
    private readonly Fusion? fusion;
    private readonly ContrastiveLoss? contrast;
    private readonly Parameter? log_variances;

    /// <summary>Creates the model with random weights from torch's generator.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="entityCount">|E|.</param>
    /// <param name="relationCount">|R|.</param>
    /// <param name="features">Features of every modality that takes part, but structure.</param>
    /// <param name="device">The device that the model is on in the end; null for the CPU.</param>
    public MultimodalModel(
        MoodleConfig config, int entityCount, int relationCount, IReadOnlyDictionary<Modality, EntityFeatures> features, Device? device = null)
        : base(nameof(MultimodalModel))
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(features);
        (EntityCount, RelationCount) = (entityCount, relationCount);
        foreach (var modality in config.Modalities.Order())
        {
            BranchConfig branch = modality switch { Modality.Text => config.Text, Modality.Image => config.Image, _ => config.Structure };
            branches.Add(NameOf(modality), new Branch(modality, branch, entityCount, relationCount, features.GetValueOrDefault(modality)?.To(device ?? CPU)));
        }

        Branches = branches.All;
        if (Branches.Count > 1)
        {
            guidance = config.Guidance.Enabled ? new MutualGuidance(config.Guidance, Branches.Count, relationCount) : null;
            fusion = config.Fusion.Enabled ? new Fusion(config.Fusion, [.. Branches.Select(branch => branch.Size)], relationCount) : null;
            contrast = fusion is not null && config.Contrast.Enabled ? new ContrastiveLoss(config.Contrast) : null;
        }

        if (Branches.Count > 1 && config.Training.TaskWeights == TaskWeighting.Uncertainty)
        {
            log_variances = nn.Parameter(zeros(Branches.Count));
        }

        RegisterComponents();
        if (device is not null)
        {
            this.to(device);
        }
    }

    /// <summary>|E|.</summary>
    public int EntityCount { get; }

    /// <summary>|R|, without reciprocals.</summary>
    public int RelationCount { get; }

    /// <summary>The branches in the order structure, text, image.</summary>
    public IReadOnlyList<Branch> Branches { get; }

    /// <summary>Mutual guidance, null where it is off or there is one branch only.</summary>
    public MutualGuidance? Guidance => guidance;

    /// <summary>The fusion, null where it is off or there is one branch only.</summary>
    public Fusion? FusionModule => fusion;

    /// <summary>The contrastive loss, null where it or the fusion is off.</summary>
    public ContrastiveLoss? Contrast => contrast;

    /// <summary>log σ² of each branch's task (Kendall et al. 2018): [branches], null where task weights are fixed.</summary>
    public Parameter? LogVariances => log_variances;

    /// <summary>Names and parameters that the branches' own tasks train.</summary>
    public IEnumerable<(string Name, Parameter Parameter)> UnimodalParameters() =>
        named_parameters().Where(entry => !IsFusion(entry.name)).Select(entry => (entry.name, entry.parameter));

    /// <summary>Names and parameters of the fused vectors and of the contrastive loss.</summary>
    public IEnumerable<(string Name, Parameter Parameter)> FusedVectorParameters() =>
        named_parameters().Where(entry => IsFusion(entry.name) && !Fusion.IsBalance(entry.name)).Select(entry => (entry.name, entry.parameter));

    /// <summary>Names and parameters of the fusion's balance between predictions.</summary>
    public IEnumerable<(string Name, Parameter Parameter)> BalanceParameters() =>
        named_parameters().Where(entry => IsFusion(entry.name) && Fusion.IsBalance(entry.name)).Select(entry => (entry.name, entry.parameter));

    private static bool IsFusion(string name) =>
        name.StartsWith(nameof(fusion), StringComparison.Ordinal) || name.StartsWith(nameof(contrast), StringComparison.Ordinal);

    /// <summary>The name of a modality in reports, checkpoints and JSON.</summary>
    public static string NameOf(Modality modality) => modality switch
    {
        Modality.Text => "text",
        Modality.Image => "image",
        _ => "structure",
    };
}
