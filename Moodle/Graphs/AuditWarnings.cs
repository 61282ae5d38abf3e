using System.Globalization;

namespace Moodle.Graphs;

/// <summary>Puts what an audit found into words.</summary>
internal static class AuditWarnings
{
    /// <summary>One line for each finding that changes what a figure on the data set means.</summary>
    public static IEnumerable<string> Of(GraphAudit audit)
    {
        foreach (var (split, counts) in audit.Splits.All)
        {
            var name = split.ToString().ToLowerInvariant();
            if (counts.Triples == 0)
            {
                yield return $"{name}: empty; models cannot be selected";
            }

            if (counts.Distinct < counts.Triples)
            {
                yield return Line($"{name}: {counts.Triples - counts.Distinct:N0} of {counts.Triples:N0} triples are repetitions");
            }

            if (counts.AlsoInTrain > 0)
            {
                yield return Line($"{name}: {Part(counts.AlsoInTrain, counts.Triples)} triples stand in train as well; figures on it flatter");
            }

            if (split == Split.Validation && counts.AlsoInTest > 0)
            {
                yield return Line($"{name}: {Part(counts.AlsoInTest, counts.Triples)} triples stand in test as well; models would be selected by test");
            }

            if (counts.TriplesWithUnseen > 0)
            {
                yield return Line($"{name}: {Part(counts.TriplesWithUnseen, counts.Triples)} triples have an entity or relation that train never shows ({counts.UnseenEntities:N0} entities, {counts.UnseenRelations:N0} relations)");
            }

            if (split == Split.Test && counts.Triples > 0 && counts.LinkedReversed > 0.1 * counts.Triples)
            {
                yield return Line($"{name}: {Part(counts.LinkedReversed, counts.Triples)} triples have their ends linked in train, reversed; inverse rules alone may answer them");
            }

            if (split == Split.Test && counts.Triples > 0 && counts.LinkedForward > 0.1 * counts.Triples)
            {
                yield return Line($"{name}: {Part(counts.LinkedForward, counts.Triples)} triples have their ends linked in train by another relation");
            }
        }

        if (audit.EntitiesUnseenInTraining > 0)
        {
            yield return Line($"{audit.EntitiesUnseenInTraining:N0} of {audit.Entities:N0} entities are candidates but never occur in train");
        }

        foreach (var kind in new[] { PatternKind.Inverse, PatternKind.Duplicate })
        {
            var couples = audit.Patterns.Where(pattern => pattern.Kind == kind).ToList();
            if (couples.Count > 0)
            {
                var (verb, first) = (kind == PatternKind.Inverse ? "invert" : "repeat", couples[0]);
                yield return Line($"{couples.Count:N0} couples of relations {verb} each other in train, such as {first.Relation} and {first.Other} ({first.Share:P0} of {first.Pairs:N0} pairs)");
            }
        }

        var withText = Math.Max(audit.Text.Names, audit.Text.Descriptions);
        if (withText < audit.Entities)
        {
            yield return Line($"{Part(audit.Entities - withText, audit.Entities)} entities have no text");
        }

        if (audit.Images.Entities < audit.Entities)
        {
            yield return Line($"{Part(audit.Entities - audit.Images.Entities, audit.Entities)} entities have no picture");
        }
    }

    private static string Part(int part, int whole) => Line($"{part:N0} of {whole:N0} ({(double)part / whole:P1})");

    private static string Line(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
