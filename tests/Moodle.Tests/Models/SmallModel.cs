using System.Collections.Immutable;
using Moodle.Configuration;
using Moodle.Graphs;
using Moodle.Models;
using static TorchSharp.torch;

namespace Moodle.Tests.Models;

/// <summary>A model of all three modalities over a handful of entities; entities 1 and 4 lack text, entities 4 and 5 pictures.</summary>
internal static class SmallModel
{
    public const int Entities = 7;
    public const int Relations = 2;
    public static readonly int[] WithText = [6, 0, 2, 3, 5];
    public static readonly int[] WithPictures = [0, 1, 2, 3, 6];

    public static readonly MoodleConfig Config = new()
    {
        Structure = new BranchConfig { Rank = 4, InitScale = 0.5 },
        Text = new TextConfig { Rank = 5, Scorer = ScorerKind.DistMult, InitScale = 0.3 },
        Image = new ImageConfig { Rank = 3, Scorer = ScorerKind.RotatE, InitScale = 0.3 },
        Fusion = new FusionConfig { HiddenSize = 8, InteractionRank = 4 },
    };

    /// <summary>The same, and paths along <see cref="Facts"/>.</summary>
    public static readonly MoodleConfig WithPaths = Config with { Paths = new PathConfig { Enabled = true, HiddenSize = 4, Layers = 2 } };

    public static readonly ImmutableArray<Triple> Facts = [new(0, 0, 1), new(1, 1, 2), new(2, 0, 6), new(6, 1, 0), new(4, 0, 5)];

    public static MultimodalModel Create(MoodleConfig config, int seed = 1)
    {
        manual_seed(seed);
        return new MultimodalModel(config, Entities, Relations, new Dictionary<Modality, EntityFeatures>
        {
            [Modality.Text] = new(randn(WithText.Length, 6), WithText, Entities),
            [Modality.Image] = new(randn(WithPictures.Length, 4), WithPictures, Entities),
        }, facts: Facts);
    }
}
