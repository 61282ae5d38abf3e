using System.Collections.Immutable;

namespace Moodle.Graphs;

/// <summary>A public data set that Moodle reads: what it is, and where its users get it. Counts are those of the files, where we could count them.</summary>
/// <param name="Name">Its name in papers.</param>
/// <param name="Entities">Entities; null where unknown to us.</param>
/// <param name="Relations">Relations; null where unknown to us.</param>
/// <param name="Splits">Training, validation and test triples; null where unknown to us.</param>
/// <param name="Extras">Texts and pictures, and what they lack.</param>
/// <param name="Licence">The licence, as far as it is known to us.</param>
/// <param name="Source">Where it comes from.</param>
/// <param name="Layout">The layout in which it is distributed there.</param>
/// <param name="Warning">What to know before comparing figures; empty where we know of nothing.</param>
public sealed record KnownDataSet(
    string Name, int? Entities, int? Relations, (int Train, int Validation, int Test)? Splits, string Extras, string Licence, string Source, string Layout, string Warning)
{
    private const string Unknown = "unknown";
    private const string Freebase = "Freebase content: CC BY; of the files: " + Unknown;
    private const string WordNet = "WordNet licence; of the files: " + Unknown;

    /// <summary>The data sets, the embedded one first.</summary>
    public static ImmutableArray<KnownDataSet> All { get; } =
    [
        new("Atlas", 1_453, 25, (4_367, 546, 545), "names and descriptions of all; flags", "MIT", "embedded: data/atlas", "mkgformer", ""),
        new("FB15K-237", 14_541, 237, (272_115, 17_535, 20_466), "names and descriptions of all", Freebase, "github.com/zjunlp/MKGformer (MKG/dataset/FB15k-237)", "mkgformer",
            "36 entities never occur in train"),
        new("FB15K-237-IMG", 14_541, 237, (272_115, 17_535, 20_466), "names and descriptions of all; pictures as an archive of their own", Freebase + "; pictures: their owners'",
            "github.com/zjunlp/MKGformer (MKG/dataset/FB15k-237, archive of pictures linked there)", "mkgformer", "36 entities never occur in train"),
        new("WN18", 40_943, 18, (141_442, 5_000, 5_000), "names and definitions", WordNet, "github.com/villmow/datasets_knowledge_embedding (WN18/text)", "mose",
            "94 % of test triples have their inverse in train"),
        new("WN18-IMG", 40_943, 18, (141_442, 5_000, 5_000), "names with definitions; MKGformer's archive has pictures of 7,801 entities", WordNet + "; pictures: their owners'",
            "github.com/zjunlp/MKGformer (MKG/dataset/WN18, archive of pictures linked there)", "mkgformer", "94 % of test triples have their inverse in train"),
        new("WN18RR", 40_943, 11, (86_835, 3_034, 3_134), "WN18's", WordNet, "github.com/villmow/datasets_knowledge_embedding (WN18RR/text)", "mose", ""),
        new("DB15K", 12_842, 279, (79_222, 9_904, 9_902), "through links to FB15K; features", "links (mmkb): BSD-3; DBpedia content: CC BY-SA; of the splits: " + Unknown,
            "github.com/zjukg/AdaMF-MAT (splits), github.com/mniepert/mmkb (links)", "openke", "validation repeats train and test: 73 distinct triples are its own; use --clean"),
        new("DB15K (MMKB)", 12_842, 279, null, "through links to FB15K; features", "BSD-3; DBpedia content: CC BY-SA", "github.com/mniepert/mmkb", "mmkb",
            "99,028 triples without splits; IMF's split of them does not compare with the one above"),
        new("YAGO15K (MMKB)", 15_404, 32, null, "through links to FB15K; features", "BSD-3; YAGO content: CC BY", "github.com/mniepert/mmkb", "mmkb", "without splits"),
        new("MKG-W", 15_000, 169, (34_196, 4_276, 4_274), "features; pictures and texts: " + Unknown, Unknown, "github.com/zjukg/MyGO (data/), github.com/zjukg/MoMoK (datasets/)", "mygo",
            "306 test rows have an entity that train never shows"),
        new("MKG-Y", 15_000, 28, (21_310, 2_665, 2_663), "features; pictures and texts: " + Unknown, Unknown, "github.com/zjukg/MyGO (data/), github.com/zjukg/MoMoK (datasets/)", "mygo",
            "388 test rows have an entity that train never shows"),
        new("WN9-IMG", null, null, (11_741, 1_337, 1_319), "pictures; names of synsets", WordNet, "github.com/OreOZhao/MoSE4MKGC (src_data/WN9)", "mose", ""),
        new("Kuai16K", 16_015, 4, (180_190, 22_523, 22_525), "features", Unknown, "github.com/zjukg/MoMoK (datasets/Kuai16K)", "momok", "30 validation and 48 test rows stand in train"),
    ];
}
