using System.Collections.Immutable;
using Moodle.Configuration;
using Moodle.Graphs;
using Moodle.Models.Paths;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Models;

/// <summary>The whole model: a branch for each modality, what they teach each other, paths through the graph, and their fusion.</summary>
public sealed class MultimodalModel : nn.Module
{
    private readonly BranchSet branches = new();
    private readonly PathNetwork? paths;
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
    /// <param name="facts">The training triples, which <see cref="Paths"/> lead along.</param>
    /// <param name="hidesPairs">What training hides of them: all that link an answer with its query, or the one triple (<see cref="PathGraph"/>).</param>
    public MultimodalModel(
        MoodleConfig config, int entityCount, int relationCount, IReadOnlyDictionary<Modality, EntityFeatures> features, Device? device = null, ImmutableArray<Triple> facts = default,
        bool hidesPairs = true)
        : base(nameof(MultimodalModel))
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(features);
        (EntityCount, RelationCount) = (entityCount, relationCount);
        // First: what paths begin with depends on no other part, so that they can be trained once for all.
        if (config.Paths.Enabled)
        {
            paths = new PathNetwork(config.Paths.HiddenSize, config.Paths.Layers, config.Paths.Dropout, relationCount);
            Facts = new PathGraph(facts.IsDefault ? throw new ArgumentException("paths need the triples that they lead along", nameof(facts)) : facts, entityCount, relationCount, device ?? CPU, hidesPairs);
        }

        foreach (var modality in config.Modalities.Order())
        {
            BranchConfig branch = modality switch { Modality.Text => config.Text, Modality.Image => config.Image, _ => config.Structure };
            branches.Add(NameOf(modality), new Branch(modality, branch, entityCount, relationCount, features.GetValueOrDefault(modality)?.To(device ?? CPU)));
        }

        Branches = branches.All;
        Names = [.. Branches.Select(branch => NameOf(branch.Modality)), .. paths is null ? [] : (string[])[PathsName]];
        var several = Branches.Count > 1;
        guidance = several && config.Guidance.Enabled ? new MutualGuidance(config.Guidance, Branches.Count, relationCount) : null;
        fusion = Names.Count > 1 && config.Fusion.Enabled
            ? new Fusion(config.Fusion, [.. Branches.Select(branch => branch.Size)], relationCount, others: Names.Count - Branches.Count)
            : null;
        contrast = several && fusion is not null && config.Contrast.Enabled ? new ContrastiveLoss(config.Contrast) : null;

        if (several && config.Training.TaskWeights == TaskWeighting.Uncertainty)
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

    /// <summary>Names of the predictors that the fusion weighs: the branches, then the paths where there are any.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The name of <see cref="Paths"/> among the predictors.</summary>
    public const string PathsName = nameof(paths);

    /// <summary>What answers by paths, null where it is off.</summary>
    public PathNetwork? Paths => paths;

    /// <summary>The graph of all training triples, null where there are no paths.</summary>
    public PathGraph? Facts { get; }

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
        named_parameters().Where(entry => !IsFusion(entry.name) && !IsPath(entry.name)).Select(entry => (entry.name, entry.parameter));

    /// <summary>Names and parameters of <see cref="Paths"/>.</summary>
    public IEnumerable<(string Name, Parameter Parameter)> PathParameters() =>
        named_parameters().Where(entry => IsPath(entry.name)).Select(entry => (entry.name, entry.parameter));

    /// <summary>Names and parameters of the fused vectors and of the contrastive loss.</summary>
    public IEnumerable<(string Name, Parameter Parameter)> FusedVectorParameters() =>
        named_parameters().Where(entry => IsFusion(entry.name) && !Fusion.IsBalance(entry.name)).Select(entry => (entry.name, entry.parameter));

    /// <summary>Names and parameters of the fusion's balance between predictions.</summary>
    public IEnumerable<(string Name, Parameter Parameter)> BalanceParameters() =>
        named_parameters().Where(entry => IsFusion(entry.name) && Fusion.IsBalance(entry.name)).Select(entry => (entry.name, entry.parameter));

    private static bool IsPath(string name) => name.StartsWith($"{PathsName}.", StringComparison.Ordinal);

    private static bool IsFusion(string name) =>
        name.StartsWith(nameof(fusion), StringComparison.Ordinal) || name.StartsWith(nameof(contrast), StringComparison.Ordinal);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Facts?.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>The name of a modality in reports, checkpoints and JSON.</summary>
    public static string NameOf(Modality modality) => modality switch
    {
        Modality.Text => "text",
        Modality.Image => "image",
        _ => "structure",
    };
}
