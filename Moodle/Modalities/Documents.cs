using System.Collections.Immutable;
using System.Text;
using Moodle.Configuration;
using Moodle.Graphs;

namespace Moodle.Modalities;

/// <summary>Writes an entity's document: its name, then by configuration its description and its training triples in words.</summary>
public static class Documents
{
    /// <summary>The document of every entity. Only training triples are used, never validation or test triples.</summary>
    public static ImmutableArray<string> Write(KnowledgeGraph graph, DocumentConfig config)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(config);
        var facts = config.Triples ? FactsOf(graph) : null;
        var documents = ImmutableArray.CreateBuilder<string>(graph.Entities.Count);
        var text = new StringBuilder();
        for (var entity = 0; entity < graph.Entities.Count; entity++)
        {
            text.Clear().Append(graph.EntityNames[entity]);
            if (config.Description && graph.Descriptions[entity] is { } description)
            {
                text.Append(" . ").Append(description);
            }

            facts?[entity].ForEach(fact => text.Append(" . ").Append(fact));
            documents.Add(text.ToString());
        }

        return documents.MoveToImmutable();
    }

    // In the order of relation and other end, so that a document does not change with the order of lines in a file.
    private static List<string>[] FactsOf(KnowledgeGraph graph)
    {
        var facts = Enumerable.Range(0, graph.Entities.Count).Select(_ => new List<string>()).ToArray();
        foreach (var (head, relation, tail) in graph.Train.Distinct().OrderBy(t => (t.Relation, t.Head, t.Tail)))
        {
            facts[head].Add($"{graph.RelationNames[relation]} {graph.EntityNames[tail]}");
            facts[tail].Add($"{graph.EntityNames[head]} {graph.RelationNames[relation]}");
        }

        return facts;
    }
}
