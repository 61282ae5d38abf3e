namespace Moodle.Configuration;

/// <summary>How many configurations a search draws, and how it thins them out: successive halving, by <see cref="Keep"/> in place of two.</summary>
public sealed record SearchPlan
{
    /// <summary>Configurations drawn at random; the configuration itself is tried besides, as try 0.</summary>
    [AtLeast(1)]
    public int Tries { get; init; } = 27;

    /// <summary>One of so many goes on to the next rung, which trains so many times longer.</summary>
    [AtLeast(2)]
    public int Keep { get; init; } = 3;

    /// <summary>Rungs; on the last one the epochs are the configuration's own.</summary>
    [Between(1, 20)]
    public int Rungs { get; init; } = 3;

    /// <summary>How many of the drawn configurations enter a rung, counted from 1.</summary>
    public int Entrants(int rung) => Math.Max(1, (int)(Tries / Math.Pow(Keep, rung - 1)));

    /// <summary>A rung's share of a stage's epochs: at least one, but none where there are none.</summary>
    public int Epochs(int epochs, int rung) => epochs == 0 ? 0 : Math.Max(1, (int)Math.Round(epochs / Math.Pow(Keep, Rungs - rung), MidpointRounding.AwayFromZero));

    /// <summary>A configuration with a rung's epochs in every stage.</summary>
    public MoodleConfig Scale(MoodleConfig config, int rung)
    {
        ArgumentNullException.ThrowIfNull(config);
        var (text, image, training) = (config.Text, config.Image, config.Training);
        return config with
        {
            Text = text with { Pretrain = text.Pretrain with { Epochs = Epochs(text.Pretrain.Epochs, rung) } },
            Image = image with { Pretrain = image.Pretrain with { Epochs = Epochs(image.Pretrain.Epochs, rung) } },
            Paths = config.Paths with { Epochs = Epochs(config.Paths.Epochs, rung) },
            Training = training with
            {
                Unimodal = training.Unimodal with { Epochs = Epochs(training.Unimodal.Epochs, rung) },
                Fusion = training.Fusion with { Epochs = Epochs(training.Fusion.Epochs, rung) },
                Refit = training.Refit with { Epochs = Epochs(training.Refit.Epochs, rung) },
            },
        };
    }
}
