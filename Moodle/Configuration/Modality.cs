namespace Moodle.Configuration;

/// <summary>A kind of knowledge about an entity; each has a branch of its own.</summary>
public enum Modality
{
    /// <summary>The graph's own structure: a free embedding for every entity.</summary>
    Structure,

    /// <summary>The entity's document.</summary>
    Text,

    /// <summary>The entity's pictures.</summary>
    Image,
}
