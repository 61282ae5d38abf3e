namespace Moodle.Graphs;

/// <summary>A way in which data sets lie on disk. A new one is a class of its own, listed in <see cref="GraphReader"/>.</summary>
internal interface IGraphLayout
{
    /// <summary>Its name in reports, such as <c>mkgformer</c>.</summary>
    string Name { get; }

    /// <summary>The files that it is recognised by, in words for the error message.</summary>
    string LookedFor { get; }

    /// <summary>Whether the folder is of this layout, complete or not.</summary>
    bool Recognises(string folder);

    /// <summary>Reads the folder.</summary>
    /// <exception cref="InputException">Something is missing or wrong in it.</exception>
    KnowledgeGraph Read(string folder);
}
