using System.Text.Json;
using System.Text.Json.Serialization;

namespace Moodle.Training;

/// <summary>
/// Where a run stands. Every random choice of a step follows from the seed, the stage, the epoch and the step, so these four numbers are
/// the whole random state.
/// </summary>
internal sealed record TrainingState
{
    /// <summary>A best validation.</summary>
    public sealed record BestValidation(double Mrr, int Epoch);

    private static readonly JsonSerializerOptions s_json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    /// <summary>Layout of the checkpoint; a newer program reads older ones or says that it cannot.</summary>
    public int Format { get; init; } = 1;

    /// <summary>The file with the tensors, beside this one.</summary>
    public string Tensors { get; init; } = "";

    /// <summary>The seed of the run.</summary>
    public int Seed { get; init; }

    /// <summary>The stage at work.</summary>
    public string Stage { get; init; } = "";

    /// <summary>Epochs of the stage that are complete.</summary>
    public int Epoch { get; init; }

    /// <summary>Steps of the current epoch that are complete.</summary>
    public int Step { get; init; }

    /// <summary>Steps of all stages that are complete.</summary>
    public long GlobalStep { get; init; }

    /// <summary>Sums of the loss terms over the current epoch's steps.</summary>
    public IReadOnlyList<double> LossSums { get; init; } = [];

    /// <summary>For each thing that the stage chooses by validation its best MRR so far, and the epochs that were complete then.</summary>
    public IReadOnlyDictionary<string, BestValidation> Best { get; init; } = new Dictionary<string, BestValidation>();

    /// <summary>Validations since one of them became better.</summary>
    public int Stale { get; init; }

    /// <summary>Whether the stage has ended, by its epochs or early.</summary>
    public bool StageEnded { get; init; }

    /// <summary>Length of metrics.jsonl at this time: what stands behind it was written by work that is done again.</summary>
    public long MetricsLength { get; init; }

    /// <summary>Seconds of work up to this time.</summary>
    public double Seconds { get; init; }

    /// <summary>As JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, s_json);

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <exception cref="InputException">The file is missing, no JSON or not of this layout.</exception>
    public static TrainingState Read(string path)
    {
        try
        {
            var state = JsonSerializer.Deserialize<TrainingState>(File.ReadAllText(path), s_json);
            return state is { Format: 1, Tensors.Length: > 0 }
                ? state
                : throw new InputException($"{path}: not a checkpoint of this version of moodle (format 1 expected); train again or use the version that wrote it");
        }
        catch (JsonException exception)
        {
            throw new InputException($"{path}: not a readable checkpoint ({exception.Message}); give another one with --checkpoint, or train again with --force", exception);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new InputException($"{path}: no such checkpoint; give best, last or the JSON file of one", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path}: cannot be read ({exception.Message.TrimEnd('.')}); give another checkpoint with --checkpoint", exception);
        }
    }
}
