using Moodle.Tests.Support;

namespace Moodle.Tests.Atlas;

/// <summary>The files of Atlas as they are committed, read with nothing but the file system.</summary>
internal sealed class AtlasFiles
{
    private static readonly Lazy<AtlasFiles> Loaded = new(() => new AtlasFiles());

    private AtlasFiles()
    {
        Train = Triples("train.tsv");
        Validation = Triples("dev.tsv");
        Test = Triples("test.tsv");
        Entities = File.ReadAllLines(Path("entities.txt"));
        Names = Pairs("entity2text.txt");
        Descriptions = Pairs("entity2textlong.txt");
        RelationNames = Pairs("relation2text.txt");
    }

    public static AtlasFiles Committed => Loaded.Value;

    public (string Head, string Relation, string Tail)[] Train { get; }

    public (string Head, string Relation, string Tail)[] Validation { get; }

    public (string Head, string Relation, string Tail)[] Test { get; }

    public IEnumerable<(string Head, string Relation, string Tail)> All => Train.Concat(Validation).Concat(Test);

    public string[] Entities { get; }

    public Dictionary<string, string> Names { get; }

    public Dictionary<string, string> Descriptions { get; }

    public Dictionary<string, string> RelationNames { get; }

    /// <summary>A path inside data/atlas.</summary>
    public static string Path(params string[] parts) => TestData.RequireRepository(["data", "atlas", .. parts]);

    /// <summary>The countries among the entities.</summary>
    public IEnumerable<string> Countries => Entities.Where(entity => entity.StartsWith("country-", StringComparison.Ordinal));

    private static (string, string, string)[] Triples(string name) =>
        [.. File.ReadAllLines(Path(name)).Select(line => line.Split('\t')).Select(cells => (cells[0], cells[1], cells[2]))];

    private static Dictionary<string, string> Pairs(string name) =>
        File.ReadAllLines(Path(name)).Select(line => line.Split('\t')).ToDictionary(cells => cells[0], cells => cells[1]);
}
