namespace Moodle.Graphs;

/// <summary>The three parts of a data set's triples.</summary>
public enum Split
{
    /// <summary>Triples that parameters are learned from.</summary>
    Train,

    /// <summary>Triples that models are selected by.</summary>
    Validation,

    /// <summary>Triples that are read once, at the end, by the chosen model.</summary>
    Test,
}
