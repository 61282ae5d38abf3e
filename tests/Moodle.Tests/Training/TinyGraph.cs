using System.Globalization;
using Moodle.Configuration;
using Moodle.Tests.Support;
using NetVips;

namespace Moodle.Tests.Training;

/// <summary>
/// A seeded graph of 60 entities that trains in a second or two: towns of six regions whose neighbours, roads and so on follow from the
/// region, which the description says in words and, for every second town, a picture in colour. With a configuration to match.
/// </summary>
internal sealed class TinyGraph : IDisposable
{
    public const int Entities = 60;
    public const int TestTriples = 40;

    private const int Regions = 6;
    private static readonly string[] s_relations = ["near", "road_to", "trades_with", "older_than", "rules"];
    private static readonly string[] s_words = ["river", "mountain", "desert", "forest", "harbour", "island"];
    private readonly TemporaryFolder _folder = TestData.NewFolder();

    public TinyGraph(int seed = 1)
    {
        var random = new Random(seed);
        var triples = new HashSet<(int Head, int Relation, int Tail)>();
        // The first fact of each town is a training fact, so that every entity is seen.
        for (var town = 0; town < Entities; town++)
        {
            triples.Add((town, 0, (town + Regions) % Entities));
        }

        while (triples.Count < 360)
        {
            var (head, relation) = (random.Next(Entities), random.Next(s_relations.Length));
            var tail = (((head + relation) % Regions) + (Regions * random.Next(Entities / Regions))) % Entities;
            if (head != tail)
            {
                triples.Add((head, relation, tail));
            }
        }

        var rows = triples.Select(triple => $"{Label(triple.Head)}\t{s_relations[triple.Relation]}\t{Label(triple.Tail)}").ToArray();
        Write("train.tsv", rows[..280]);
        Write("dev.tsv", rows[280..320]);
        Write("test.tsv", rows[320..]);
        Write("entity2text.txt", Enumerable.Range(0, Entities).Select(town => $"{Label(town)}\tTown {town}"));
        Write("entity2textlong.txt", Enumerable.Range(0, Entities).Where(town => town % 10 != 9)
            .Select(town => $"{Label(town)}\tA town at the {s_words[town % Regions]} with {town} {s_words[random.Next(Regions)]} houses."));
        Write("relation2text.txt", s_relations.Select(relation => $"{relation}\t{relation.Replace('_', ' ')}"));
        for (var town = 0; town < Entities; town += 2)
        {
            WritePicture(town, random);
        }

        File.WriteAllText(ConfigFile, Configuration);
    }

    /// <summary>The data set's folder.</summary>
    public string Data => _folder["data"];

    /// <summary>A configuration of all parts for it.</summary>
    public string ConfigFile => _folder["tiny.yaml"];

    /// <summary>A path beside both.</summary>
    public string this[string name] => _folder[name];

    public static string Label(int town) => string.Create(CultureInfo.InvariantCulture, $"/t/{town:00}");

    /// <summary>The only picture of a town with an even number.</summary>
    public string PictureOf(int town) => Path.Combine(Data, "images", Label(town).TrimStart('/').Replace('/', '.'), "0.png");

    /// <summary>The configuration as <c>train</c> resolves it.</summary>
    public MoodleConfig Config(params string[] sets) => ConfigLoader.Load(ConfigFile, sets).WithFullPaths(ConfigFile);

    public void Dispose() => _folder.Dispose();

    private void Write(string name, IEnumerable<string> lines)
    {
        Directory.CreateDirectory(Data);
        File.WriteAllText(Path.Combine(Data, name), string.Concat(lines.Select(line => line + "\n")));
    }

    // Noise on one of the cube's corners of colour.
    private void WritePicture(int town, Random random)
    {
        var path = PictureOf(town);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        const int Side = 16;
        var pixels = new byte[Side * Side * 3];
        random.NextBytes(pixels);
        for (var i = 0; i < pixels.Length; i++)
        {
            pixels[i] = (byte)((pixels[i] / 8) + (((town % Regions >> (i % 3)) & 1) * 200));
        }

        using var picture = Image.NewFromMemory(pixels, Side, Side, 3, Enums.BandFormat.Uchar);
        picture.Pngsave(path);
    }

    private const string Configuration = """
        data:
          path: data
          cache: false
        threads: 1
        structure:
          rank: 8
        text:
          rank: 8
          document:
            max_tokens: 24
            vocabulary_size: 300
          encoder:
            hidden_size: 16
            layers: 1
            heads: 2
            feed_forward_size: 32
          pretrain:
            epochs: 2
            batch_size: 32
        image:
          rank: 8
          encoder:
            size: 16
            hidden_size: 16
          pretrain:
            epochs: 2
            batch_size: 32
        fusion:
          hidden_size: 16
          interaction_rank: 4
        contrast:
          hard_negatives: 4
        training:
          batch_size: 100
          unimodal:
            epochs: 3
          fusion:
            epochs: 2
          refit:
            epochs: 2
        evaluation:
          bootstrap_samples: 50
        """;
}
