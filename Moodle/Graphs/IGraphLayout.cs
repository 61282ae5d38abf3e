namespace Moodle.Graphs;

/// <summary>How much speaks for a layout.</summary>
internal enum LayoutMatch
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Some of its files, not all that it needs.</summary>
    Partial,

    /// <summary>All that it needs.</summary>
    Complete,
}

/// <summary>A way in which data sets lie on disk. A new one is a class of its own, listed in <see cref="GraphReader"/>.</summary>
internal interface IGraphLayout
{
    /// <summary>Its name in reports and options, such as <c>mkgformer</c>.</summary>
    string Name { get; }

    /// <summary>The files that it is recognised by, in words for the error message.</summary>
    string LookedFor { get; }

    /// <summary>Looks at a folder.</summary>
    LayoutMatch Match(string folder);

    /// <summary>Reads the folder.</summary>
    /// <exception cref="InputException">Something is missing or wrong in it.</exception>
    GraphDraft Read(string folder);
}
