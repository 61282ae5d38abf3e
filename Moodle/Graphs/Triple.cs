namespace Moodle.Graphs;

/// <summary>One fact by ids: head and tail index the entities, relation the relations (0 to |R|-1, never a reciprocal).</summary>
public readonly record struct Triple(int Head, int Relation, int Tail);
