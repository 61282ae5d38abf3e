// Cosines between what 'moodle encode' wrote and features that come with a data set, in three groups: entities whose pictures are what
// they were when those features were made (PNG below 256 pixels); those with JPEG below 256 pixels, not shrunk but with loss; the others.
//
//   dotnet run -c Release experiments/benchmarks/encoders.cs -- DATA STORE
//
// DATA holds images_manifest.tsv, features/entities.txt and features/mobilenet_v2_mean_f16.npy; STORE is the file that 'moodle encode' printed.

#:project ../../Moodle/Moodle.csproj

using System.Globalization;
using Moodle.Graphs;
using Moodle.Runtime;
using static TorchSharp.torch;

LibTorch.Load();
const int ShrunkTo = 256;
var (data, store) = (args[0], args[1]);
var labels = GraphReader.Read(data).Entities.Labels;
using var file = Safetensors.Open(store);
using var made = nn.functional.normalize(file.Read("features"), dim: 1);
var owners = file.Read("entities").data<int>().ToArray();
using var given = nn.functional.normalize(Npy.Read(Path.Combine(data, "features", "mobilenet_v2_mean_f16.npy")).to(ScalarType.Float32), dim: 1);
var rows = File.ReadLines(Path.Combine(data, "features", "entities.txt")).Select((label, row) => (label, row)).ToDictionary(pair => pair.label, pair => pair.row);
var pictures = File.ReadLines(Path.Combine(data, "images_manifest.tsv")).Skip(1).Select(line => line.Split('\t'))
    .GroupBy(cells => cells[0], cells => (
        Longest: Math.Max(int.Parse(cells[4], CultureInfo.InvariantCulture), int.Parse(cells[5], CultureInfo.InvariantCulture)), Lossless: cells[1].EndsWith(".png", StringComparison.Ordinal)))
    .ToDictionary(group => group.Key, group => (Longest: group.Max(picture => picture.Longest), Lossless: group.All(picture => picture.Lossless)));
var pairs = owners.Select((entity, row) => (Label: labels[entity], Row: row)).Where(pair => rows.ContainsKey(pair.Label)).ToArray();
var cosines = (made.index_select(0, tensor(pairs.Select(pair => (long)pair.Row).ToArray()))
    * given.index_select(0, tensor(pairs.Select(pair => (long)rows[pair.Label]).ToArray()))).sum(1).data<float>().ToArray();
Console.WriteLine("group | entities | mean | lowest | 1 % | 5 % | median | share of at least 0.99");
Report("PNG as it was", Enumerable.Range(0, pairs.Length).Where(i => pictures[pairs[i].Label] is { Longest: < ShrunkTo, Lossless: true }));
Report("JPEG, not shrunk", Enumerable.Range(0, pairs.Length).Where(i => pictures[pairs[i].Label] is { Longest: < ShrunkTo, Lossless: false }));
Report("shrunk since", Enumerable.Range(0, pairs.Length).Where(i => pictures[pairs[i].Label].Longest >= ShrunkTo));
Report("all", Enumerable.Range(0, pairs.Length));

void Report(string group, IEnumerable<int> members)
{
    var sorted = members.Select(i => cosines[i]).Order().ToArray();
    if (sorted.Length > 0)
    {
        float At(double share) => sorted[(int)(share * (sorted.Length - 1))];
        Console.WriteLine(FormattableString.Invariant($"{group} | {sorted.Length} | {sorted.Average():F4} | {sorted[0]:F4} | {At(0.01):F4} | {At(0.05):F4} | {At(0.5):F4} | {sorted.Count(c => c >= 0.99) / (double)sorted.Length:P1}"));
    }
}
