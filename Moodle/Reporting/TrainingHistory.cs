using System.Collections.Immutable;
using System.Text.Json;

namespace Moodle.Reporting;

/// <summary>What <c>metrics.jsonl</c> says.</summary>
internal sealed record TrainingHistory
{
    /// <summary>The stages in order.</summary>
    public required ImmutableArray<StageHistory> Stages { get; init; }

    /// <summary>What a run tells of its start, null in runs of programs that did not tell.</summary>
    public required JsonElement? Start { get; init; }

    /// <summary>Reads a run's metrics; lines that are cut off or unknown are left out, a missing file is an empty history.</summary>
    public static TrainingHistory Read(string file)
    {
        var (stages, start) = (new Dictionary<string, StageHistory>(), (JsonElement?)null);
        foreach (var line in File.Exists(file) ? File.ReadLines(file) : [])
        {
            if (Parse(line) is not { } entry || entry.GetProperty("event").GetString() is not { } kind)
            {
                continue;
            }

            if (kind == "start")
            {
                start ??= entry;
                continue;
            }

            var (name, epoch) = (entry.GetProperty("stage").GetString() ?? "", entry.GetProperty("epoch").GetInt32());
            var stage = stages.GetValueOrDefault(name) ?? new StageHistory(name, 0, 0, [], [], []);
            stages[name] = kind switch
            {
                "epoch" => stage with
                {
                    Epochs = Math.Max(stage.Epochs, epoch),
                    Seconds = stage.Seconds + entry.GetProperty("seconds").GetDouble(),
                    Losses = Add(stage.Losses, epoch, entry.GetProperty("losses").EnumerateObject().Select(loss => (loss.Name, loss.Value))),
                    Trust = !entry.TryGetProperty("trust", out var trust) ? stage.Trust : Add(stage.Trust, epoch, trust.EnumerateObject()
                        .SelectMany(teacher => teacher.Value.EnumerateObject().Select(student => ($"{teacher.Name} → {student.Name}", student.Value)))),
                },
                "validation" => stage with
                {
                    Validation = Add(stage.Validation, epoch, entry.GetProperty("branches").EnumerateObject().Select(branch => (branch.Name, branch.Value.GetProperty("mrr")))),
                },
                _ => stage,
            };
        }

        return new TrainingHistory { Stages = [.. stages.Values], Start = start };
    }

    private static JsonElement? Parse(string line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            return document.RootElement is { ValueKind: JsonValueKind.Object } root && root.TryGetProperty("event", out _) ? root.Clone() : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static ImmutableArray<Series> Add(ImmutableArray<Series> all, int epoch, IEnumerable<(string Name, JsonElement Value)> values)
    {
        var byName = all.ToDictionary(series => series.Name);
        List<string> order = [.. all.Select(series => series.Name)];
        foreach (var (name, value) in values.Where(entry => entry.Value.ValueKind == JsonValueKind.Number))
        {
            if (!byName.TryGetValue(name, out var series))
            {
                order.Add(name);
                series = new Series(name, []);
            }

            byName[name] = series with { Points = series.Points.Add((epoch, value.GetDouble())) };
        }

        return [.. order.Select(name => byName[name])];
    }
}

/// <summary>What was measured in a stage.</summary>
/// <param name="Name">The stage.</param>
/// <param name="Epochs">Complete epochs.</param>
/// <param name="Seconds">Seconds of training, validation not counted.</param>
/// <param name="Losses">Each loss term by epoch.</param>
/// <param name="Validation">Each branch's validation MRR by epoch.</param>
/// <param name="Trust">For each teacher and student the mean trust by epoch.</param>
internal sealed record StageHistory(
    string Name, int Epochs, double Seconds, ImmutableArray<Series> Losses, ImmutableArray<Series> Validation, ImmutableArray<Series> Trust);

/// <summary>A line of a chart.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Points">Its points from left to right.</param>
internal sealed record Series(string Name, ImmutableArray<(double X, double Y)> Points);
