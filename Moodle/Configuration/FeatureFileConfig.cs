namespace Moodle.Configuration;

/// <summary>Features that were made elsewhere, in place of an encoder. Relative paths start from the data set's folder.</summary>
public sealed record FeatureFileConfig : IChecked
{
    /// <summary>A .npy, .npz or .safetensors file with a row for each entity (float16, float32 or float64); null trains the encoder. A row of zeros or NaN means that the entity lacks the modality.</summary>
    public string? File { get; init; }

    /// <summary>The array to take from the file where it holds several.</summary>
    public string? Array { get; init; }

    /// <summary>A text file with the entity of each row, one a line; null where rows are in the order of the data set's own list of entities.</summary>
    public string? Ids { get; init; }

    /// <summary>What tells rows to use from rows to leave out, by one number for each, 0 leaving out: an array of the same file, another array file, or a text file with one a line.</summary>
    public string? Mask { get; init; }

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Check()
    {
        if (File is null)
        {
            foreach (var (key, value) in new[] { ("array", Array), ("ids", Ids), ("mask", Mask) })
            {
                if (value is not null)
                {
                    yield return (key, "says how to read features, and 'file' names none; set it as well");
                }
            }
        }
    }

    // Both give the branch its vectors: to pass over one of them in silence would train on something else than was asked for.
    internal IEnumerable<(string Key, string Problem)> CheckBeside(PretrainedConfig pretrained) => File is null || pretrained.Path is null
        ? []
        : [("features.file", "takes the place of the encoder, and 'encoder.pretrained.path' names another; set one of the two to null")];
}
