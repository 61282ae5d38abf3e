namespace Moodle.Graphs;

/// <summary>Counts what splits hold and share.</summary>
internal sealed class SplitCounter
{
    private readonly KnowledgeGraph _graph;
    private readonly Dictionary<Split, HashSet<Triple>> _distinct;
    private readonly HashSet<(int Head, int Tail)> _trainPairs;

    public SplitCounter(KnowledgeGraph graph)
    {
        _graph = graph;
        _distinct = Enum.GetValues<Split>().ToDictionary(split => split, split => graph.TriplesOf(split).ToHashSet());
        TrainEntities = EntitiesOf(Split.Train);
        TrainRelations = RelationsOf(Split.Train);
        _trainPairs = [.. graph.Train.Select(triple => (triple.Head, triple.Tail))];
    }

    /// <summary>Entities of training triples.</summary>
    public HashSet<int> TrainEntities { get; }

    /// <summary>Relations of training triples.</summary>
    public HashSet<int> TrainRelations { get; }

    /// <summary>The figures of a split.</summary>
    public SplitAudit Audit(Split split)
    {
        var triples = _graph.TriplesOf(split);
        var entities = EntitiesOf(split);
        var relations = RelationsOf(split);
        int AlsoIn(Split other) => other == split ? 0 : triples.Count(_distinct[other].Contains);
        bool Unseen(Triple triple) =>
            !TrainEntities.Contains(triple.Head) || !TrainEntities.Contains(triple.Tail) || !TrainRelations.Contains(triple.Relation);
        return new SplitAudit
        {
            Triples = triples.Length,
            Distinct = _distinct[split].Count,
            AlsoInTrain = AlsoIn(Split.Train),
            AlsoInValidation = AlsoIn(Split.Validation),
            AlsoInTest = AlsoIn(Split.Test),
            Entities = entities.Count,
            Relations = relations.Count,
            UnseenEntities = entities.Count(entity => !TrainEntities.Contains(entity)),
            UnseenRelations = relations.Count(relation => !TrainRelations.Contains(relation)),
            TriplesWithUnseen = triples.Count(Unseen),
            LinkedForward = split == Split.Train ? 0 : triples.Count(Forward),
            LinkedReversed = split == Split.Train ? 0 : triples.Count(Reversed),
            Linked = split == Split.Train ? 0 : triples.Count(triple => Forward(triple) || Reversed(triple)),
            EntitiesWithName = entities.Count(entity => _graph.GivenNames[entity] is not null),
            EntitiesWithDescription = entities.Count(entity => _graph.Descriptions[entity] is not null),
            EntitiesWithImage = entities.Count(entity => _graph.Images[entity].Length > 0),
        };
    }

    private bool Forward(Triple triple) => _trainPairs.Contains((triple.Head, triple.Tail));

    private bool Reversed(Triple triple) => _trainPairs.Contains((triple.Tail, triple.Head));

    private HashSet<int> EntitiesOf(Split split) => [.. _graph.TriplesOf(split).SelectMany(triple => new[] { triple.Head, triple.Tail })];

    private HashSet<int> RelationsOf(Split split) => [.. _graph.TriplesOf(split).Select(triple => triple.Relation)];
}
