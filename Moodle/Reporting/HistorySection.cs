using System.Collections.Immutable;

namespace Moodle.Reporting;

/// <summary>How training went.</summary>
internal static class HistorySection
{
    /// <summary>The section.</summary>
    public static Html Write(TrainingHistory history)
    {
        var html = new HtmlBuilder();
        html.Add($"<section id=\"training\"><h2>Training</h2>");
        if (history.Stages.IsEmpty)
        {
            return html.Add($"<p>The run holds no record of its training.</p></section>").ToHtml();
        }

        var starts = Starts(history);
        var marks = history.Stages.Select(stage => (starts[stage.Name], stage.Name)).ToArray();
        html.Add($"<div class=\"charts\">");
        Figure(html, SvgChart.Lines("Validation MRR of every branch by epoch", "epochs of all stages", Joined(history, starts, stage => stage.Validation),
            marks: [.. marks.Where(mark => history.Stages.Any(stage => stage.Name == mark.Name && !stage.Validation.IsEmpty))]), "Validation MRR of each branch. Upright lines: where a stage begins.");
        Figure(html, SvgChart.Lines("Mean trust of every student in every teacher by epoch", "epochs of all stages", Joined(history, starts, stage => stage.Trust),
            marks: [.. marks.Where(mark => history.Stages.Any(stage => stage.Name == mark.Name && !stage.Trust.IsEmpty))]),
            "Mutual guidance: how much each branch (after the arrow) is led by each other, a mean over the training triples; 0.5 where both answer equally well.");
        foreach (var stage in history.Stages)
        {
            Figure(html, SvgChart.Lines($"Loss terms of the stage {stage.Name} by epoch, logarithmic", "epochs of the stage", stage.Losses, logarithmic: true),
                FormattableString.Invariant($"Loss terms of stage “{stage.Name}”: {stage.Epochs} epochs in {stage.Seconds:F1} s."));
        }

        html.Add($"</div><details><summary>The stages in numbers</summary>{Tables.Open("Stages of training", false, "", "stage", "epochs", "seconds")}");
        foreach (var stage in history.Stages)
        {
            html.Add($"<tr><th scope=\"row\">{stage.Name}</th>{Tables.Cell(stage.Epochs, "F0", "history", stage.Name, "epochs")}{Tables.Cell(stage.Seconds, "F1", "history", stage.Name, "seconds")}</tr>");
        }

        return html.Add($"{Tables.Close}</details></section>").ToHtml();
    }

    private static void Figure(HtmlBuilder html, Html chart, string caption)
    {
        if (chart.Markup.Length > 0)
        {
            html.Add($"<figure>{chart}<figcaption>{caption}</figcaption></figure>");
        }
    }

    /// <summary>For each stage the epochs that the stages before it took, among those that are drawn together.</summary>
    private static Dictionary<string, double> Starts(TrainingHistory history)
    {
        var (starts, sum) = (new Dictionary<string, double>(), 0.0);
        foreach (var stage in history.Stages)
        {
            starts[stage.Name] = sum;
            // The encoders' epochs have no validation: they would push all that is shown to the right.
            sum += stage.Validation.IsEmpty ? 0 : stage.Epochs;
        }

        return starts;
    }

    // A line is interrupted over a stage that has nothing of it.
    private static Series[] Joined(TrainingHistory history, Dictionary<string, double> starts, Func<StageHistory, ImmutableArray<Series>> pick)
    {
        var joined = new Dictionary<string, List<(double X, double Y)>>();
        foreach (var stage in history.Stages)
        {
            foreach (var (name, points) in joined)
            {
                if (pick(stage).All(series => series.Name != name))
                {
                    points.Add((starts[stage.Name], double.NaN));
                }
            }

            foreach (var series in pick(stage))
            {
                if (!joined.TryGetValue(series.Name, out var points))
                {
                    joined[series.Name] = points = [];
                }

                points.AddRange(series.Points.Select(point => (point.X + starts[stage.Name], point.Y)));
            }
        }

        return [.. joined.Select(line => new Series(line.Key, [.. line.Value]))];
    }
}
