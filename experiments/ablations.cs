// The table of ablations: trains every variant of a configuration with every seed and prints a table, such as that of atlas/README.md.
//
//   dotnet run experiments/ablations.cs -- [--config configs/atlas.yaml] [--data FOLDER] [--seeds 1,2,3] [--only full,no-text] [--runs FOLDER] [--parallel 2]
//       [--device cuda --gpus 4] [--program FILE]
//
// The first variant is what the others are held against: differences are over all seeds' runs, their intervals from a paired bootstrap over the test triples. Runs that are complete already
// are not trained again. --gpus deals the runs out over so many GPUs; --program names a built moodle, which is otherwise built here.

#:project ../Moodle/Moodle.csproj

using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Moodle.Configuration;
using Moodle.Evaluation;

(string Name, string What, string[] Sets)[] configurations =
[
    ("full", "everything", []),
    ("no-guidance", "no mutual guidance", ["guidance.enabled=false"]),
    ("no-contrast", "no contrastive loss", ["contrast.enabled=false"]),
    ("neither", "neither guidance nor contrast", ["guidance.enabled=false", "contrast.enabled=false"]),
    ("not-relation-aware", "weights alike for all relations", ["fusion.relation_aware=false", "guidance.relation_aware=false"]),
    ("hold-out-0", "fusion learns from what branches know by heart", ["fusion.hold_out=0"]),
    ("no-refit", "branches never see the held-out triples", ["training.refit.epochs=0"]),
    ("no-fusion", "no fusion: plain mean of the branches", ["fusion.enabled=false"]),
    ("no-paths", "no paths", ["paths.enabled=false"]),
    ("no-image", "no pictures", ["modalities=structure,text"]),
    ("no-text", "no texts", ["modalities=structure,image"]),
    ("structure-and-paths", "structure and paths", ["modalities=structure"]),
    ("structure-only", "structure alone", ["modalities=structure", "paths.enabled=false"]),
    ("text-only", "text alone", ["modalities=text", "paths.enabled=false"]),
    ("image-only", "image alone", ["modalities=image", "paths.enabled=false"]),
];

string[] known = ["--config", "--data", "--seeds", "--only", "--runs", "--parallel", "--device", "--gpus", "--program"];
if (args.Length % 2 != 0 || args.Where((_, i) => i % 2 == 0).FirstOrDefault(name => !known.Contains(name)) is not null)
{
    Console.Error.WriteLine($"give pairs of an option and its value: {string.Join(", ", known)}");
    return 2;
}

var options = args.Chunk(2).ToDictionary(pair => pair[0], pair => pair[1]);
var seeds = options.GetValueOrDefault("--seeds", "1,2,3").Split(',');
var config = options.GetValueOrDefault("--config", "configs/atlas.yaml");
string[] data = options.TryGetValue("--data", out var folderOfData) ? ["--set", $"data.path={folderOfData}"] : [];
string[] device = options.TryGetValue("--device", out var nameOfDevice) ? ["--device", nameOfDevice] : [];
var runs = options.GetValueOrDefault("--runs", Path.Combine("runs", $"{Path.GetFileNameWithoutExtension(config)}-ablations"));
if (!ConfigLoader.Load(config, [.. data.Skip(1)]).Paths.Enabled)
{
    configurations = [.. configurations.Where(variant => variant.Name is not ("no-paths" or "structure-and-paths"))];
}

if (options.TryGetValue("--only", out var only))
{
    var names = only.Split(',');
    if (names.FirstOrDefault(name => !configurations.Any(variant => variant.Name == name)) is { } unknown)
    {
        Console.Error.WriteLine($"--only: there is no '{unknown}'; expected any of {string.Join(", ", configurations.Select(variant => variant.Name))}");
        return 2;
    }

    configurations = [.. configurations.Where(variant => names.Contains(variant.Name))];
}

int Number(string option, int otherwise) => options.TryGetValue(option, out var given) ? int.Parse(given, CultureInfo.InvariantCulture) : otherwise;
var (parallel, gpus) = (Number("--parallel", 2), Number("--gpus", 0));
var program = options.GetValueOrDefault("--program");
if (program is null)
{
    Process.Start("dotnet", ["build", "-c", "Release", "Moodle", "-v", "quiet", "--nologo"])!.WaitForExit();
}

int Run(int worker, string log, params string[] arguments)
{
    var start = new ProcessStartInfo(program ?? "dotnet", program is null ? ["Moodle/bin/Release/net10.0/moodle.dll", .. arguments] : arguments)
    {
        RedirectStandardError = true,
        RedirectStandardOutput = true,
    };
    if (gpus > 0)
    {
        start.Environment["CUDA_VISIBLE_DEVICES"] = (worker % gpus).ToString(CultureInfo.InvariantCulture);
    }

    using var process = Process.Start(start)!;
    var errors = process.StandardError.ReadToEndAsync();
    process.StandardOutput.ReadToEnd();
    process.WaitForExit();
    if (process.ExitCode != 0)
    {
        Console.Error.WriteLine($"{log}: exit code {process.ExitCode}: {errors.Result.TrimEnd().Split('\n')[^1]}");
    }

    return process.ExitCode;
}

string Folder(string name, string seed) => Path.Combine(runs, $"{name}-{seed}");
string Ranks(string name, string seed) => Path.Combine(Folder(name, seed), "ranks.csv");
var jobs = new ConcurrentQueue<(string Name, string Seed, string[] Sets)>(configurations.SelectMany(c => seeds.Select(seed => (c.Name, seed, c.Sets))));
Task.WaitAll(Enumerable.Range(0, parallel).Select(worker => Task.Run(() =>
{
    while (jobs.TryDequeue(out var job))
    {
        var (folder, log, clock) = (Folder(job.Name, job.Seed), $"{job.Name}, seed {job.Seed}", Stopwatch.StartNew());
        if (!File.Exists(Path.Combine(folder, "results.json"))
            && Run(worker, log, [
                "train", config, "--run", folder, "--force", "--seed", job.Seed, .. device,
                "--set", $"threads={Math.Max(1, Environment.ProcessorCount / parallel)}", .. data, .. job.Sets.SelectMany(set => (string[])["--set", set])]) != 0)
        {
            continue;
        }

        if (File.Exists(Ranks(job.Name, job.Seed)) || Run(worker, log, ["evaluate", folder, "--ranks", Ranks(job.Name, job.Seed), .. device]) == 0)
        {
            Console.Error.WriteLine(FormattableString.Invariant($"{log}: {clock.Elapsed.TotalSeconds:F0} s"));
        }
    }
})).ToArray());

// Reciprocal ranks of a run's own answer, its first branch: mean of both sides and over the seeds, by test triple. Null where a run is missing.
ImmutableArray<double>? Reciprocal(string name)
{
    if (!seeds.All(seed => File.Exists(Ranks(name, seed))))
    {
        return null;
    }

    var bySeed = seeds.Select(seed =>
    {
        var rows = File.ReadLines(Ranks(name, seed)).Skip(1).Select(line => line.Split(',')).ToArray();
        var branch = rows[0][^5]; // counted from the end: names may have commas
        return rows.Where(row => row[^5] == branch).Select(row => 1 / double.Parse(row[^2], CultureInfo.InvariantCulture)).Chunk(2).Select(sides => sides.Average()).ToArray();
    }).ToArray();
    return [.. Enumerable.Range(0, bySeed[0].Length).Select(triple => bySeed.Average(values => values[triple]))];
}

var baseline = Reciprocal(configurations[0].Name);
string[] branches = ["structure", "text", "image", "paths"];
Console.WriteLine($"| configuration | test MRR | against {configurations[0].What}, 95 % | {string.Join(" | ", branches)} |");
Console.WriteLine($"|---|---|---|{string.Concat(branches.Select(_ => "---|"))}");
foreach (var (name, what, _) in configurations)
{
    var results = seeds.Select(seed => Path.Combine(Folder(name, seed), "results.json")).Where(File.Exists)
        .Select(path => JsonDocument.Parse(File.ReadAllText(path)).RootElement.GetProperty("branches")).ToArray();
    if (results.Length == 0)
    {
        continue;
    }

    string Figure(string branch)
    {
        var values = results.Select(result => branch == "" ? result.EnumerateObject().First().Value : result.TryGetProperty(branch, out var found) ? found : default)
            .Where(element => element.ValueKind == JsonValueKind.Object).Select(element => element.GetProperty("both").GetProperty("mrr").GetDouble()).ToArray();
        if (values.Length == 0)
        {
            return "";
        }

        var mean = values.Average();
        var deviation = values.Length > 1 ? Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (values.Length - 1)) : 0;
        return branch == "" ? FormattableString.Invariant($"{mean:F4} ± {deviation:F4}") : FormattableString.Invariant($"{mean:F4}");
    }

    var difference = "";
    if (baseline is { } from && name != configurations[0].Name && Reciprocal(name) is { } other)
    {
        var paired = PairedBootstrap.Compare(from, other, 1000);
        difference = FormattableString.Invariant($"{paired.Difference:+0.0000;-0.0000;0.0000} ({paired.Interval.Low:+0.0000;-0.0000;0.0000} to {paired.Interval.High:+0.0000;-0.0000;0.0000})");
    }

    Console.WriteLine($"| {what} (`{name}`) | {Figure("")} | {difference} | {string.Join(" | ", branches.Select(Figure))} |");
}

return 0;
