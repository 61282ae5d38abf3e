using System.Text;
using Moodle.Evaluation;
using Moodle.Graphs;

namespace Moodle.Reporting;

/// <summary>A report as Markdown: its tables, without charts and with the extreme examples alone.</summary>
internal static class ReportMarkdown
{
    /// <summary>The text.</summary>
    public static string Write(RunReport report)
    {
        var text = new StringBuilder();
        void Line(string line = "") => text.Append(line).Append('\n');
        Line($"# {Safe(report.Head.Name)} on {Safe(report.Head.DataSet)}");
        Line();
        foreach (var (name, fact) in HeadSection.Facts(report.Head))
        {
            Line($"- {name}: {Safe(fact)}");
        }

        foreach (var warning in report.Head.Warnings)
        {
            Line($"- Data: {Safe(warning)}");
        }

        Line();
        Line("```sh");
        Line(report.Head.Reproduce.ReplaceLineEndings(" "));
        Line(report.Head.Resume.ReplaceLineEndings(" "));
        Line("```");
        Line();
        Line("## Results");
        Line();
        Line(ResultSection.Summary(report));
        Line();
        Table(text, ["branch", "side", .. ResultSection.Figures.Select(figure => figure.Heading)], report.Evaluation.Branches.SelectMany(branch => ResultSection.Sides(branch).Select(side => (IEnumerable<string>)[branch.Branch, side.Side, .. Row(side.Metrics, side.Intervals)])));
        if (!report.Published.IsEmpty)
        {
            Line("### Published for the same triples");
            Line();
            Table(text, ["model", "uses", "MRR", "Hits@1", "Hits@3", "Hits@10", "source", "comparable"], report.Published.Select(result => (IEnumerable<string>)
                [result.Model, result.Uses, Tables.Text(result.Mrr, "F3"), Tables.Text(result.HitsAt1, "F3"), Tables.Text(result.HitsAt3, "F3"), Tables.Text(result.HitsAt10, "F3"), result.Source, result.Comparable]));
        }

        string[] branches = [.. report.Evaluation.Branches.Select(branch => branch.Branch)];
        Line("### Queries by rank");
        Line();
        Table(text, ["branch", .. RankBins.Names], report.Distributions.Select(branch => branch.Counts.Select(count => Tables.Text(count, "F0")).Prepend(branch.Branch)));
        Line("## MRR by relation category");
        Line();
        Table(text, ["category", "queries", .. branches], report.Model.Categories.Select(category => (IEnumerable<string>)
            [category.Category.Name(), Tables.Text(category.Metrics.Both.Count, "F0"), .. report.Evaluation.Branches.Select(branch => Tables.Text(branch.Categories.First(other => other.Category == category.Category).Metrics.Both.Mrr, "F4"))]));
        Line("## MRR by relation");
        Line();
        Table(text, ["relation", "category", "queries", .. branches], report.Model.Relations.Select((relation, r) => (IEnumerable<string>)
            [relation.Name, relation.Category.Name(), Tables.Text(relation.Metrics.Both.Count, "F0"), .. report.Evaluation.Branches.Select(branch => Tables.Text(branch.Relations[r].Metrics.Both.Mrr, "F4"))]));
        if (!report.FusionEffects.IsEmpty)
        {
            Line($"## Right answers put first, by {branches[0]} and by each branch");
            Line();
            Table(text, ["branch", "repaired", "spoiled", "right in both", "wrong in both"], report.FusionEffects.Select(effect => (IEnumerable<string>)
                [effect.Branch, Tables.Text(effect.Repaired, "F0"), Tables.Text(effect.Spoiled, "F0"), Tables.Text(effect.BothRight, "F0"), Tables.Text(effect.BothWrong, "F0")]));
        }

        if (!report.Gates.IsEmpty)
        {
            Line("## Mean gate by relation");
            Line();
            Table(text, ["relation", "queries", .. branches.Skip(1)], report.Gates.Select(gate => (IEnumerable<string>)
                [gate.Name, Tables.Text(gate.Queries, "F0"), .. gate.Weights.Select(weight => Tables.Text(weight, "F3"))]));
        }

        foreach (var (title, groups) in new[] { ("MRR by which ends have a picture", report.Pictures), ("MRR by the length of the right answer's description", report.TextLengths) }.Where(pair => !pair.Item2.IsEmpty))
        {
            Line($"## {title}");
            Line();
            Table(text, ["queries with", "count", .. branches], groups.Select(group => (IEnumerable<string>)
                [group.Name, Tables.Text(group.Queries, "F0"), .. group.Mrr.Select(mrr => Tables.Text(mrr, "F4"))]));
        }

        Line("## Largest gains and losses against the best branch");
        Line();
        Table(text, ["", "query", "right answer", .. branches.Select(branch => $"rank, {branch}"), "best answer"], report.Examples
            .Where(example => example.Kind is ExampleKind.Win or ExampleKind.Loss).Select(example => (IEnumerable<string>)
            [example.Kind == ExampleKind.Win ? "gain" : "loss", Query(example.Result), example.Gold, .. example.Ranks.Select(rank => Tables.Text(rank, "0.#")), example.Result.Answers.Select(answer => answer.Name).FirstOrDefault("")]));
        return text.ToString().TrimEnd('\n') + "\n";
    }

    /// <summary>A table with an empty line behind it; texts of the data set are made safe here.</summary>
    public static void Table(StringBuilder text, IReadOnlyList<string> columns, IEnumerable<IEnumerable<string>> rows)
    {
        void Add(IEnumerable<string> cells) => text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");
        Add(columns.Select(Safe));
        Add(columns.Select(_ => "---"));
        foreach (var row in rows)
        {
            Add(row.Select(Safe));
        }

        text.Append('\n');
    }

    /// <summary>A text that means nothing in Markdown and in the HTML that it may hold.</summary>
    public static string Safe(string text)
    {
        var safe = new StringBuilder(text.Length);
        foreach (var letter in text.ReplaceLineEndings(" "))
        {
            safe.Append(letter switch
            {
                '<' => "&lt;",
                '>' => "&gt;",
                '&' => "&amp;",
                '\\' or '`' or '*' or '_' or '[' or ']' or '|' or '#' => $"\\{letter}",
                _ => letter.ToString(),
            });
        }

        return safe.ToString();
    }

    private static string Query(PredictionResult result) => result.Asked == QuerySide.Tail
        ? $"{result.EntityName} — {result.RelationName} — ?"
        : $"? — {result.RelationName} — {result.EntityName}";

    /// <summary>The cells of a side of a branch, each with its interval where there is one.</summary>
    public static IEnumerable<string> Row(Metrics metrics, MetricIntervals? intervals) => ResultSection.Figures.Select(figure =>
    {
        string Text(double value) => Tables.Text(value, figure.Format);
        return intervals is null ? Text(figure.Value(metrics)) : $"{Text(figure.Value(metrics))} ({Text(figure.Interval(intervals).Low)} to {Text(figure.Interval(intervals).High)})";
    });
}
