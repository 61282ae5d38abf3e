using System.Collections.Immutable;

namespace Moodle.Reporting;

/// <summary>What each modality had to do with the results.</summary>
internal static class ContributionSection
{
    /// <summary>The section.</summary>
    public static Html Write(RunReport report)
    {
        string[] branches = [.. report.Evaluation.Branches.Select(branch => branch.Branch)];
        var html = new HtmlBuilder();
        html.Add($"<section id=\"modalities\"><h2>Modalities</h2>");
        if (!report.FusionEffects.IsEmpty)
        {
            html.Add($"<h3>What joining the branches changed</h3>{Tables.Open($"Test queries whose right answer stands first by {branches[0]} and by each branch alone", false, "", "branch", "repaired", "spoiled", "right in both", "wrong in both")}");
            foreach (var effect in report.FusionEffects)
            {
                Html Cell(long count, string key) => Tables.Cell(count, "F0", "fusion_effects", effect.Branch, key);
                html.Add($"<tr><th scope=\"row\">{effect.Branch}</th>{Cell(effect.Repaired, "repaired")}{Cell(effect.Spoiled, "spoiled")}{Cell(effect.BothRight, "both_right")}{Cell(effect.BothWrong, "both_wrong")}</tr>");
            }

            html.Add($"{Tables.Close}<p>Repaired: {branches[0]} puts the right answer first where the branch does not. Spoiled: the other way round.</p>");
        }

        if (!report.Gates.IsEmpty)
        {
            html.Add($"<h3>Whom the fusion trusts</h3><p>Mean weight of the gate, by how sure each modality is of a query and by its relation; a row adds up to 1.</p>");
            html.Add($"{Tables.Open("Gate by relation", true, "gate-table", ["relation", "queries", .. branches.Skip(1)])}");
            foreach (var gate in report.Gates)
            {
                object[] place = gate.Relation is { } label ? ["gate", "relations", label] : ["gate", "all"];
                html.Add($"<tr><th scope=\"row\">{gate.Name}</th>{Tables.Cell(gate.Queries, "F0", [.. place, "queries"])}{Html.Join(gate.Weights.Select((weight, b) => Tables.Cell(weight, "F3", [.. place, branches[b + 1]])))}</tr>");
            }

            html.Add($"{Tables.Close}");
        }

        Groups(html, "Pictures", "MRR by which ends of a query have a picture", "pictures", report.Pictures, branches);
        Groups(html, "Length of texts", "MRR by the length of the right answer's description", "text_lengths", report.TextLengths, branches);
        return html.Add($"</section>").ToHtml();
    }

    private static void Groups(HtmlBuilder html, string title, string caption, string key, ImmutableArray<QueryGroup> groups, string[] branches)
    {
        if (groups.IsEmpty)
        {
            return;
        }

        html.Add($"<h3>{title}</h3>{Tables.Open(caption, false, "", ["queries with", "count", .. branches, $"median rank, {branches[0]}"])}");
        foreach (var (group, i) in groups.Select((group, i) => (group, i)))
        {
            html.Add($"<tr><th scope=\"row\">{group.Name}</th>{Tables.Cell(group.Queries, "F0", key, i, "queries")}{Html.Join(group.Mrr.Select((mrr, b) => Tables.Cell(mrr, "F4", key, i, "mrr", branches[b])))}{Tables.Cell(group.MedianRank[0], "F1", key, i, "median_rank", branches[0])}</tr>");
        }

        html.Add($"{Tables.Close}");
    }
}
