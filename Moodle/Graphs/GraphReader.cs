using System.Collections.Immutable;
using System.Globalization;
using Moodle.Graphs.Layouts;

namespace Moodle.Graphs;

/// <summary>Reads a data set's folder, whatever known layout it has.</summary>
public static class GraphReader
{
    // The more a layout's files say, the earlier it comes: the first complete one is taken.
    private static readonly IGraphLayout[] s_layouts =
    [
        LabelLayout.MkgFormer, new LibKgeLayout(), new PyKeenLayout(), new OpenKeLayout(), new MyGoLayout(), new BlankLayout(), LabelLayout.MoSe, new MmkbLayout(),
    ];

    /// <summary>The names of the layouts, in the order in which they are tried.</summary>
    public static IReadOnlyList<string> LayoutNames { get; } = [.. s_layouts.Select(layout => layout.Name)];

    /// <summary>
    /// Reads a folder. Entities are numbered as the data set lists them, where it does; otherwise, as relations, by their first
    /// occurrence in the training, validation and test triples. An entity of the text files that is in neither is no candidate and is
    /// left out.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="options">How to read it; null finds all out.</param>
    /// <exception cref="InputException">The folder is missing, of no known layout, or something in it is wrong.</exception>
    public static KnowledgeGraph Read(string folder, GraphReadOptions? options = null)
    {
        options ??= new GraphReadOptions();
        if (!Directory.Exists(folder))
        {
            throw new InputException($"{folder}: no such folder; data.path must name the folder of a data set");
        }

        try
        {
            var layout = LayoutOf(folder, options.Layout);
            var graph = Complete(folder, layout.Name, layout.Read(folder), options.LinksTo);
            return options.Clean ? GraphCleaning.Clean(graph, options.CleanSeed).Graph : graph;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw TextLines.Unreadable(folder, error);
        }
    }

    private static IGraphLayout LayoutOf(string folder, string name)
    {
        if (name != GraphReadOptions.AutoLayout)
        {
            return Array.Find(s_layouts, layout => layout.Name == name)
                ?? throw new InputException($"layout '{name}' is not known; take one of {GraphReadOptions.AutoLayout}, {string.Join(", ", LayoutNames)}");
        }

        var matches = s_layouts.Select(layout => (Layout: layout, Match: layout.Match(folder))).ToList();
        return matches.Find(match => match.Match == LayoutMatch.Complete).Layout ?? matches.Find(match => match.Match == LayoutMatch.Partial).Layout
            ?? throw new InputException($"{folder}: not a data set of a known layout; looked for "
                + string.Join("; ", s_layouts.Select(layout => $"{layout.LookedFor} ({layout.Name})")));
    }

    private static KnowledgeGraph Complete(string folder, string layout, GraphDraft draft, string? linksTo)
    {
        var (names, descriptions) = (new string?[draft.Entities.Count], new string?[draft.Entities.Count]);
        var relationNames = new string?[draft.Relations.Count];
        TextFiles.FillEntities(folder, label => Find(draft.Entities, label), names, descriptions);
        TextFiles.FillRelations(folder, label => Find(draft.Relations, label), relationNames);
        var pictures = new ImageFolders(folder);
        ImmutableArray<string>[] images = [.. draft.Entities.Labels.Select(pictures.Of)];
        var notes = draft.Notes.AddRange(Follow(SameAsLinks.Read(folder, draft.Entities), folder, linksTo, names, descriptions, images));

        return new KnowledgeGraph
        {
            Path = folder,
            Layout = layout,
            Entities = new Vocabulary(draft.Entities.Labels),
            Relations = new Vocabulary(draft.Relations.Labels),
            EntityList = draft.EntityList,
            // A name that only repeats the label says nothing.
            GivenNames = [.. names.Select((name, entity) => name == draft.Entities.Labels[entity] ? null : name)],
            Descriptions = [.. descriptions],
            RelationNames = [.. relationNames.Select((name, id) => name ?? Labels.Readable(draft.Relations.Labels[id]))],
            Images = [.. images],
            Train = draft.Train,
            Validation = draft.Validation,
            Test = draft.Test,
            Notes = notes,
        };
    }

    // Texts and pictures that the data set at the other end of the links has, where there are none of our own.
    private static IEnumerable<string> Follow(
        SameAsLinks links, string folder, string? linksTo, string?[] names, string?[] descriptions, ImmutableArray<string>[] images)
    {
        if (links.File is null)
        {
            if (linksTo is not null)
            {
                yield return $"data.links_to leads nowhere: {folder} has no *SameAsLink.txt";
            }

            yield break;
        }

        if ((linksTo ?? Neighbour(folder)) is not { } other)
        {
            yield return $"{links.File} is not followed: no folder beside this one has FB15K's texts; name one with data.links_to";
            yield break;
        }

        if (!Directory.Exists(other))
        {
            throw new InputException($"{other}: no such folder; data.links_to must name the folder of the data set that {links.File} links to");
        }

        int Texts() => names.Zip(descriptions).Count(pair => pair.First is not null || pair.Second is not null);
        int Pictured() => images.Count(paths => paths.Length > 0);
        var (texts, pictured) = (Texts(), Pictured());
        TextFiles.FillEntities(other, links.EntitiesOf, names, descriptions);
        var pictures = new ImageFolders(other);
        for (var entity = 0; entity < images.Length; entity++)
        {
            images[entity] = images[entity].Length > 0 ? images[entity]
                : links.LabelsOf(entity).Select(pictures.Of).FirstOrDefault(paths => paths.Length > 0, []);
        }

        yield return string.Create(CultureInfo.InvariantCulture,
            $"through {links.File}, {other} gives {Texts() - texts:N0} entities their texts and {Pictured() - pictured:N0} their pictures");
    }

    private static string? Neighbour(string folder)
    {
        var own = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        return Path.GetDirectoryName(own) is { } parent
            ? Directory.EnumerateDirectories(parent, "FB15K*", new EnumerationOptions { MatchCasing = MatchCasing.CaseInsensitive })
                .Where(candidate => candidate != own && TextFiles.AnyIn(candidate)).Order(StringComparer.Ordinal).FirstOrDefault()
            : null;
    }

    private static IReadOnlyList<int> Find(Numbering numbering, string label) => numbering.TryGetId(label, out var id) ? [id] : [];
}
