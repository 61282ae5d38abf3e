using System.Text.Json.Nodes;
using Moodle.Evaluation;
using Moodle.Runtime;
using Moodle.Training;

namespace Moodle.Reporting;

/// <summary>Writes the three files of a report: of the parameters that validation chose, which are those that a run's results are of.</summary>
internal static class ReportWriter
{
    /// <summary>The names of the files: for people, for people who edit, for programs.</summary>
    public static readonly string[] Files = ["report.html", "report.md", "results.json"];

    /// <summary>Writes the report of one run.</summary>
    /// <param name="runPath">The run's folder.</param>
    /// <param name="outPath">Where the files go.</param>
    /// <param name="device">The device, or null for the run's own.</param>
    /// <param name="progress">Told how many queries are ranked, and of how many.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="InputException">The run cannot be read or the files cannot be written.</exception>
    public static void Write(string runPath, string outPath, string? device = null, Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        using var model = TrainedModel.Load(runPath, device: device);
        var (report, _) = ReportBuilder.Build(runPath, model, progress, cancellation);
        Write(outPath, ReportPage.OfRun(report), ReportMarkdown.Write(report), ReportJson.ToJson(report));
    }

    /// <summary>Writes the comparison of several runs.</summary>
    /// <inheritdoc cref="Write(string, string, string?, Action{int, int}?, CancellationToken)"/>
    /// <param name="runPaths">The runs' folders; the others are held against the first.</param>
    /// <param name="outPath">Where the files go.</param>
    /// <param name="device">The device, or null for each run's own.</param>
    /// <param name="progress">Told how many queries are ranked, and of how many.</param>
    /// <param name="cancellation">Stops between batches.</param>
    public static void Compare(IReadOnlyList<string> runPaths, string outPath, string? device = null, Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        var inputs = new List<ComparisonInput>();
        foreach (var path in runPaths)
        {
            using var model = TrainedModel.Load(path, device: device);
            var (report, ranks) = ReportBuilder.Build(path, model, progress, cancellation);
            inputs.Add(new ComparisonInput(path, report, model.Config, PairedBootstrap.ReciprocalRanks(ranks, 0), ComparisonInput.HashOf(model.Graph)));
        }

        var comparison = RunComparison.Of(inputs);
        Write(outPath, ComparisonPage.Write(comparison), ComparisonFiles.Markdown(comparison), ComparisonFiles.Json(comparison));
    }

    private static void Write(string folder, string html, string markdown, JsonObject json)
    {
        foreach (var (name, text) in Files.Zip([html, markdown, json.ToJsonString(ReportJson.Readable) + "\n"]))
        {
            AtomicFile.WriteText(Path.Combine(folder, name), text);
        }
    }
}
