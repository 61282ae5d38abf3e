using System.Collections.Immutable;
using Moodle.Configuration;
using Moodle.Graphs;

namespace Moodle.Modalities;

/// <summary>Writes an entity's document: its name, then by configuration its description and its training triples in words.</summary>
public static class Documents
{
    /// <summary>The document of every entity.</summary>
    /// <param name="graph">Names and descriptions.</param>
    /// <param name="triples">The triples that may be told: training triples, never those of validation or test.</param>
    /// <param name="config">What a document holds.</param>
    public static ImmutableArray<EntityDocument> Write(KnowledgeGraph graph, ImmutableArray<Triple> triples, DocumentConfig config)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(config);
        var facts = config.Triples ? FactsOf(graph, triples) : null;
        return
        [
            .. Enumerable.Range(0, graph.Entities.Count).Select(entity => new EntityDocument(
                config.Description && graph.Descriptions[entity] is { } description
                    ? graph.EntityNames[entity] + EntityDocument.Separator + description
                    : graph.EntityNames[entity],
                facts is null ? [] : facts[entity])),
        ];
    }

    // The first fact of every relation, then the second of every relation: a document that is cut at its limit still tells something of
    // each. Within a relation in the order of numbers, so that a document does not change with the order of lines in a file.
    private static ImmutableArray<DocumentFact>[] FactsOf(KnowledgeGraph graph, ImmutableArray<Triple> triples)
    {
        var facts = Enumerable.Range(0, graph.Entities.Count).Select(_ => new List<(int Turn, int Query, DocumentFact Fact)>()).ToArray();
        var turns = new Dictionary<(int Entity, int Query), int>();
        void Add(int entity, int query, int other, string text)
        {
            var turn = turns.GetValueOrDefault((entity, query));
            turns[(entity, query)] = turn + 1;
            facts[entity].Add((turn, query, new DocumentFact(other, text)));
        }

        foreach (var (head, relation, tail) in triples.Distinct().OrderBy(triple => (triple.Relation, triple.Head, triple.Tail)))
        {
            Add(head, relation, tail, $"{graph.RelationNames[relation]} {graph.EntityNames[tail]}");
            Add(tail, relation + graph.Relations.Count, head, $"{graph.EntityNames[head]} {graph.RelationNames[relation]}");
        }

        return Array.ConvertAll(facts, list => list.OrderBy(entry => (entry.Turn, entry.Query)).Select(entry => entry.Fact).ToImmutableArray());
    }
}
