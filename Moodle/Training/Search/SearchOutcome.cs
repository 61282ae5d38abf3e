using System.Text.Json;
using Moodle.Runtime;

namespace Moodle.Training.Search;

/// <summary>How one run of a search ended; stands in the run's folder as <c>outcome.json</c>.</summary>
/// <param name="ValidationMrr">The best validation MRR of its last stage; null where it failed.</param>
/// <param name="Stage">The last stage.</param>
/// <param name="Epoch">The stage's epochs that were complete then.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="Problem">Why it failed, or null.</param>
public sealed record SearchOutcome(double? ValidationMrr, string? Stage, int Epoch, double Seconds, string? Problem)
{
    private static readonly JsonSerializerOptions s_json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };

    /// <summary>Of a run that came to its end. Where branches stay alone, the best one's figure is taken.</summary>
    internal static SearchOutcome Of(TrainingState state)
    {
        var best = state.Best.Values.MaxBy(best => best.Mrr)!;
        return new SearchOutcome(best.Mrr, state.Stage, best.Epoch, state.Seconds, null);
    }

    /// <summary>Why a run failed by its own settings; null for what would stop any run.</summary>
    internal static string? ProblemOf(Exception exception)
    {
        var message = exception.Message.Trim().Split('\n', 2)[0].TrimEnd();
        return exception is LossNotFiniteException ? message.Split(';')[0]
            : MemoryShortage.Is(exception) ? $"out of memory: {message}"
            : null;
    }

    /// <summary>Reads what <see cref="Write"/> wrote; null where the run has not ended yet.</summary>
    /// <exception cref="InputException">The file is damaged.</exception>
    internal static SearchOutcome? Read(string runPath)
    {
        var path = PathOf(runPath);
        try
        {
            return File.Exists(path) ? JsonSerializer.Deserialize<SearchOutcome>(File.ReadAllText(path), s_json) : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new InputException($"{path}: cannot be read ({exception.Message.ReplaceLineEndings(" ").TrimEnd('.')}); delete the folder {runPath} to train that run again", exception);
        }
    }

    /// <summary>Writes it into the run's folder.</summary>
    internal void Write(string runPath) => AtomicFile.WriteText(PathOf(runPath), JsonSerializer.Serialize(this, s_json) + "\n");

    private static string PathOf(string runPath) => Path.Combine(runPath, "outcome.json");
}
