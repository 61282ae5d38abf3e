using System.Text;

namespace Atlas;

/// <summary>The whole way from the source tables to the files of the data set.</summary>
internal sealed class AtlasBuild
{
    private const string ReadmeBegin = "<!-- counts: written by the builder -->";
    private const string ReadmeEnd = "<!-- counts: end -->";

    private readonly AtlasSource _source;
    private readonly AtlasSplits _splits;

    /// <summary>Reads and checks the tables; <see cref="Problems"/> tells what is wrong.</summary>
    /// <param name="sourceFolder">The folder of the CSV tables.</param>
    public AtlasBuild(string sourceFolder)
    {
        _source = AtlasSource.Read(sourceFolder, Problems);
        SourceChecks.Run(_source, Problems);
        Flags = FlagBook.Read(sourceFolder, Problems);
        foreach (var country in _source.Entities.Values.Where(entity => entity.Kind == "country" && !Flags.Codes.Contains(entity.Row["code"])))
        {
            Problems.Error(country.Row, $"{country.Id} has no flag in flags.csv");
        }

        foreach (var id in Splitter.UnseenEntities.Where(id => !_source.Entities.ContainsKey(id)))
        {
            Problems.Error("Splitter.cs", 1, $"the unseen entity {id} stands in no table");
        }

        _splits = Splitter.Split(_source.Facts.Select(fact => new AtlasTriple(fact.Head, fact.Relation, fact.Tail)).Distinct());
        var trained = _splits.Train.SelectMany(triple => new[] { triple.Head, triple.Tail }).ToHashSet(StringComparer.Ordinal);
        foreach (var entity in _source.Entities.Values.Where(entity => !trained.Contains(entity.Id) && !Splitter.UnseenEntities.Contains(entity.Id)))
        {
            Problems.Error(entity.Row, $"{entity.Id} is in no training triple, though it is not among the unseen entities");
        }
    }

    /// <summary>What is wrong with the tables.</summary>
    public ProblemList Problems { get; } = new();

    /// <summary>The flags.</summary>
    public FlagBook Flags { get; }

    /// <summary>How many entities there are.</summary>
    public int EntityCount => _source.Entities.Count;

    /// <summary>The triples in their splits.</summary>
    public AtlasSplits Splits => _splits;

    /// <summary>The text files of the data set by name.</summary>
    public IEnumerable<(string Name, string Text)> TextFiles()
    {
        yield return ("train.tsv", Lines(_splits.Train));
        yield return ("dev.tsv", Lines(_splits.Validation));
        yield return ("test.tsv", Lines(_splits.Test));
        yield return ("entities.txt", Lines(_source.Entities.Keys));
        yield return ("entity2text.txt", Lines(_source.Entities.Values.Select(entity => $"{entity.Id}\t{entity.Name}")));
        yield return ("entity2textlong.txt", Lines(_source.Entities.Values.Select(entity => $"{entity.Id}\t{entity.Description}")));
        yield return ("relation2text.txt", Lines(Schema.Relations.Select(relation => $"{relation.Key}\t{relation.Value}")));
    }

    /// <summary>Puts the counts into the marked section of a README's text.</summary>
    public string FillReadme(string readme)
    {
        var begin = readme.IndexOf(ReadmeBegin, StringComparison.Ordinal);
        var end = readme.IndexOf(ReadmeEnd, StringComparison.Ordinal);
        return begin < 0 || end < begin
            ? throw new InvalidDataException($"README.md: the lines '{ReadmeBegin}' and '{ReadmeEnd}' are missing; put them back")
            : readme[..(begin + ReadmeBegin.Length)] + "\n" + Counts() + readme[end..];
    }

    /// <summary>Writes the data set: each file beside its place, then renamed.</summary>
    public void Write(string folder)
    {
        foreach (var (name, text) in TextFiles())
        {
            Replace(Path.Combine(folder, name), Encoding.UTF8.GetBytes(text));
        }

        var readme = Path.Combine(folder, "README.md");
        if (File.Exists(readme))
        {
            Replace(readme, Encoding.UTF8.GetBytes(FillReadme(File.ReadAllText(readme))));
        }

        WriteFlags(folder);
    }

    /// <summary>Draws the flags alone.</summary>
    public void WriteFlags(string folder)
    {
        foreach (var code in Flags.Codes)
        {
            var path = Path.Combine(folder, "images", "country-" + code, "flag.png");
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            Replace(path, Flags.Draw(code).ToPng());
        }
    }

    private static void Replace(string path, byte[] content)
    {
        // An equal picture from another version of the PNG library would only make noise in the history.
        if (File.Exists(path) && Path.GetExtension(path) == ".png" && Raster.FromPng(path).SamePixels(Raster.FromPng(content)))
        {
            return;
        }

        File.WriteAllBytes(path + ".new", content);
        File.Move(path + ".new", path, overwrite: true);
    }

    private static string Lines<T>(IEnumerable<T> lines) => string.Concat(lines.Select(line => $"{line}\n"));

    private string Counts()
    {
        var text = new StringBuilder();
        var all = _splits.Train.Concat(_splits.Validation).Concat(_splits.Test).ToList();
        text.Append(Invariant($"\n{EntityCount:N0} entities, {Schema.Relations.Count} relations, {all.Count:N0} triples: "));
        text.Append(Invariant($"{_splits.Train.Count:N0} for training, {_splits.Validation.Count:N0} for validation, {_splits.Test.Count:N0} for test.\n\n"));
        text.Append("| Kind | Entities |\n| --- | ---: |\n");
        foreach (var kind in _source.Entities.Values.CountBy(entity => entity.Kind).OrderBy(kind => kind.Key, StringComparer.Ordinal))
        {
            text.Append(Invariant($"| {kind.Key} | {kind.Value} |\n"));
        }

        text.Append("\n| Relation | From | To | Triples | Training | Validation | Test |\n| --- | --- | --- | ---: | ---: | ---: | ---: |\n");
        foreach (var relation in Schema.Relations.Keys)
        {
            var of = all.Where(triple => triple.Relation == relation).ToList();
            var counts = new[] { _splits.Train, _splits.Validation, _splits.Test }.Select(split => split.Count(triple => triple.Relation == relation));
            text.Append(Invariant($"| `{relation}` | {Kinds(of, triple => triple.Head)} | {Kinds(of, triple => triple.Tail)} | {of.Count} | {string.Join(" | ", counts)} |\n"));
        }

        return text.Append('\n').ToString();
    }

    private string Kinds(List<AtlasTriple> triples, Func<AtlasTriple, string> end) =>
        string.Join(", ", triples.Select(triple => _source.Entities[end(triple)].Kind).Distinct().Order(StringComparer.Ordinal));

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
