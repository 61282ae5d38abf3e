using Moodle.Configuration;
using Moodle.Graphs;

namespace Moodle.Training;

/// <summary>The data set of a run.</summary>
internal static class RunData
{
    /// <summary>Reads it as the configuration says.</summary>
    /// <exception cref="InputException">It cannot be read.</exception>
    public static KnowledgeGraph Read(DataConfig config) =>
        GraphReader.Read(config.Path, new GraphReadOptions { Layout = config.Layout, LinksTo = config.LinksTo, Clean = config.Clean });
}
