namespace Moodle.Reporting;

/// <summary>Questions to the model: what the page has more where the explorer serves it.</summary>
internal static class ExplorerSection
{
    /// <summary>The section, to be filled by its script.</summary>
    public static Html Write() => new HtmlBuilder()
        .Add($"<section id=\"explore\"><h2>Ask the model</h2><p class=\"filters\"><label>Entity <input type=\"search\" id=\"entity-search\" autocomplete=\"off\"></label> <label>Relation <select id=\"relation-choice\"></select></label> <label>Asked for <select id=\"side-choice\"><option value=\"tail\">tail</option><option value=\"head\">head</option></select></label> <span id=\"explore-status\" role=\"status\"></span></p>")
        .Add($"<ul id=\"entity-found\" aria-label=\"Entities found\"></ul><div id=\"entity\"></div>")
        .Add($"<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Answers\"><table id=\"answers\"><caption><span>Choose an entity</span></caption><thead><tr><th scope=\"col\">#</th><th scope=\"col\">answer</th><th scope=\"col\">score</th><th scope=\"col\">probability</th><th scope=\"col\">shares</th><th scope=\"col\">mark</th></tr></thead><tbody></tbody></table></div></section>")
        .ToHtml();
}
