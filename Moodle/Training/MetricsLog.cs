using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using Moodle.Evaluation;
using Moodle.Runtime;
using TorchSharp;
using TorchSharp.Modules;

namespace Moodle.Training;

/// <summary>One JSON line for every event, and the same numbers for TensorBoard.</summary>
internal sealed class MetricsLog(string path, string tensorBoard) : IDisposable
{
    private SummaryWriter? _writer;

    /// <summary>Length of the file in bytes.</summary>
    public long Length => File.Exists(path) ? new FileInfo(path).Length : 0;

    /// <summary>Cuts what was written after a checkpoint, before the work is done again.</summary>
    public void Truncate(long length)
    {
        if (Length > length)
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Write);
            file.SetLength(length);
        }
    }

    /// <summary>The run begins. One that is resumed does not begin again: its metrics are those of one that was never stopped.</summary>
    /// <param name="state">Where the run stands.</param>
    /// <param name="device">The device.</param>
    /// <param name="threads">CPU threads.</param>
    public void Start(TrainingState state, string device, int threads) => Append("start", state.Stage, state, new JsonObject
    {
        ["program"] = ProgramVersion.Text,
        ["time"] = DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
        ["device"] = device,
        ["threads"] = threads,
        ["processors"] = Environment.ProcessorCount,
        ["system"] = RuntimeInformation.OSDescription,
    });

    /// <summary>The end of an epoch.</summary>
    public void Epoch(
        string stage, TrainingState state, IEnumerable<(string Name, double Value)> losses, double seconds, double rate, string unit, IReadOnlyList<(string Teacher, string Student, double Trust)> trust)
    {
        var terms = new JsonObject();
        foreach (var (name, value) in losses)
        {
            terms.Add(name, value);
            Scalar($"{stage}/loss/{name}", value, state.GlobalStep);
        }

        var values = new JsonObject
        {
            ["losses"] = terms,
            ["seconds"] = seconds,
            [$"{unit}_per_second"] = rate,
            ["memory_mib"] = Process.GetCurrentProcess().WorkingSet64 / 1048576,
        };
        if (trust.Count > 0)
        {
            var teachers = new JsonObject();
            foreach (var teacher in trust.GroupBy(entry => entry.Teacher))
            {
                teachers.Add(teacher.Key, new JsonObject(teacher.Select(entry => KeyValuePair.Create(entry.Student, (JsonNode?)entry.Trust))));
            }

            values.Add("trust", teachers);
        }

        Append("epoch", stage, state, values);
    }

    /// <summary>A validation.</summary>
    public void Validation(string stage, TrainingState state, IEnumerable<(string Branch, Metrics Metrics)> branches)
    {
        var all = new JsonObject();
        foreach (var (branch, metrics) in branches)
        {
            all.Add(branch, new JsonObject
            {
                ["mrr"] = metrics.Mrr,
                ["mr"] = metrics.Mr,
                ["hits_at_1"] = metrics.HitsAt1,
                ["hits_at_3"] = metrics.HitsAt3,
                ["hits_at_10"] = metrics.HitsAt10,
            });
            Scalar($"{stage}/validation_mrr/{branch}", metrics.Mrr, state.GlobalStep);
        }

        Append("validation", stage, state, new JsonObject { ["branches"] = all });
    }

    /// <inheritdoc/>
    public void Dispose() => _writer = null;

    private void Append(string kind, string stage, TrainingState state, JsonObject values)
    {
        var line = new JsonObject { ["event"] = kind, ["stage"] = stage, ["epoch"] = state.Epoch, ["step"] = state.GlobalStep };
        foreach (var (name, value) in values.ToArray())
        {
            values.Remove(name);
            line.Add(name, value);
        }

        RunFolder.Append(path, line.ToJsonString(JsonSerializerOptions.Default) + "\n");
    }

    private void Scalar(string tag, double value, long step)
    {
        _writer ??= torch.utils.tensorboard.SummaryWriter(tensorBoard, createRunName: false);
        _writer.add_scalar(tag, (float)value, (int)step);
    }
}
