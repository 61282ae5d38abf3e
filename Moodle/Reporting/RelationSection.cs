using Moodle.Graphs;

namespace Moodle.Reporting;

/// <summary>Results by relation and by relation category.</summary>
internal static class RelationSection
{
    /// <summary>The section.</summary>
    public static Html Write(RunReport report)
    {
        var (branches, model) = (report.Evaluation.Branches, report.Model);
        var html = new HtmlBuilder();
        html.Add($"<section id=\"relations\"><h2>Relations</h2>{Tables.Open("MRR by relation category", true, "", ["category", "queries", .. branches.Select(branch => branch.Branch)])}");
        foreach (var category in model.Categories)
        {
            var name = category.Category.Name();
            html.Add($"<tr><th scope=\"row\">{name}</th>{Tables.Cell(category.Metrics.Both.Count, "F0", "branches", model.Branch, "categories", name, "both", "count")}{Html.Join(branches.Select(branch =>
                Tables.Cell(branch.Categories.First(other => other.Category == category.Category).Metrics.Both.Mrr, "F4", "branches", branch.Branch, "categories", name, "both", "mrr")))}</tr>");
        }

        html.Add($"<tr><th scope=\"row\">mean of relations</th>{Tables.Cell(model.Macro.Both.Count, "F0", "branches", model.Branch, "macro", "both", "count")}{Html.Join(branches.Select(branch => Tables.Cell(branch.Macro.Both.Mrr, "F4", "branches", branch.Branch, "macro", "both", "mrr")))}</tr>");
        html.Add($"{Tables.Close}<p>1-N: a head has many tails, and so on. In the last line every relation counts the same, and the number is that of relations.</p>");
        html.Add($"<h3>Each relation</h3>{Filters(model.Relations.Select(relation => relation.Category))}");
        html.Add($"{Tables.Open("MRR by relation", true, "relation-table", ["relation", "category", "queries", .. branches.Select(branch => branch.Branch), $"{model.Branch}: heads", $"{model.Branch}: tails"])}");
        var byBranch = branches.Select(branch => branch.Relations.ToDictionary(relation => relation.Relation)).ToArray();
        foreach (var relation in model.Relations)
        {
            Html Cell(int branch, string side, double value, string format, string figure) =>
                Tables.Cell(value, format, "branches", branches[branch].Branch, "relations", relation.Relation, side, figure);
            html.Add($"<tr>{Name(relation.Name, relation.Relation)}<td>{relation.Category.Name()}</td>{Cell(0, "both", relation.Metrics.Both.Count, "F0", "count")}{Html.Join(byBranch.Select((relations, b) => Cell(b, "both", relations[relation.Relation].Metrics.Both.Mrr, "F4", "mrr")))}{Cell(0, "head", relation.Metrics.Head.Mrr, "F4", "mrr")}{Cell(0, "tail", relation.Metrics.Tail.Mrr, "F4", "mrr")}</tr>");
        }

        return html.Add($"{Tables.Close}</section>").ToHtml();
    }

    /// <summary>What hides rows of the table of relations.</summary>
    /// <param name="categories">Those of its rows.</param>
    public static Html Filters(IEnumerable<RelationCategory> categories) => Html.Of(
        $"<p class=\"filters\"><label>Name <input type=\"search\" id=\"relation-filter\" autocomplete=\"off\"></label> <label>Category <select id=\"category-filter\"><option value=\"\">all</option>{Html.Join(categories.Distinct().Order().Select(category => Html.Of($"<option>{category.Name()}</option>")))}</select></label> <span id=\"relation-count\" role=\"status\"></span></p>");

    /// <summary>The heading of a relation's row: its name, and its label where that is another.</summary>
    public static Html Name(string name, string label) =>
        Html.Of($"<th scope=\"row\">{name}{(name == label ? new Html("") : Html.Of($" <small>{label}</small>"))}</th>");
}
