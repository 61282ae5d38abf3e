// The table of ablations: trains every variant of a configuration with every seed and prints a table, such as that of atlas/README.md.
//
//   dotnet run experiments/ablations.cs -- [--config configs/atlas.yaml] [--data FOLDER] [--seeds 1,2,3] [--only full,no-text] [--runs FOLDER] [--parallel 2]
//
// Runs that are complete already are not trained again. `moodle report FOLDER/full-1 FOLDER/no-text-1` gives paired intervals.

using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

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
    ("no-image", "structure and text", ["modalities=structure,text"]),
    ("no-text", "structure and image", ["modalities=structure,image"]),
    ("structure-only", "structure alone", ["modalities=structure"]),
    ("text-only", "text alone", ["modalities=text"]),
    ("image-only", "image alone", ["modalities=image"]),
];

string[] known = ["--config", "--data", "--seeds", "--only", "--runs", "--parallel"];
if (args.Length % 2 != 0 || args.Where((_, i) => i % 2 == 0).FirstOrDefault(name => !known.Contains(name)) is not null)
{
    Console.Error.WriteLine($"give pairs of an option and its value: {string.Join(", ", known)}");
    return 2;
}

var options = args.Chunk(2).ToDictionary(pair => pair[0], pair => pair[1]);
var seeds = options.GetValueOrDefault("--seeds", "1,2,3").Split(',');
var config = options.GetValueOrDefault("--config", "configs/atlas.yaml");
string[] data = options.TryGetValue("--data", out var folderOfData) ? ["--set", $"data.path={folderOfData}"] : [];
var runs = options.GetValueOrDefault("--runs", Path.Combine("runs", $"{Path.GetFileNameWithoutExtension(config)}-ablations"));
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

var parallel = int.Parse(options.GetValueOrDefault("--parallel", "2"), CultureInfo.InvariantCulture);

Process.Start("dotnet", ["build", "-c", "Release", "Moodle", "-v", "quiet", "--nologo"])!.WaitForExit();
var jobs = new ConcurrentQueue<(string Name, string Seed, string[] Sets)>(configurations.SelectMany(c => seeds.Select(seed => (c.Name, seed, c.Sets))));
Task.WaitAll(Enumerable.Range(0, parallel).Select(_ => Task.Run(() =>
{
    while (jobs.TryDequeue(out var job))
    {
        var folder = Path.Combine(runs, $"{job.Name}-{job.Seed}");
        if (File.Exists(Path.Combine(folder, "results.json")))
        {
            continue;
        }

        string[] command =
        [
            "Moodle/bin/Release/net10.0/moodle.dll", "train", config, "--run", folder, "--force", "--seed", job.Seed,
            "--set", $"threads={Math.Max(1, Environment.ProcessorCount / parallel)}", .. data, .. job.Sets.SelectMany(set => (string[])["--set", set]),
        ];
        using var process = Process.Start(new ProcessStartInfo("dotnet", command) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Console.Error.WriteLine($"{job.Name}, seed {job.Seed}: exit code {process.ExitCode}");
    }
})).ToArray());

Console.WriteLine("| configuration | test MRR | structure | text | image |");
Console.WriteLine("|---|---|---|---|---|");
foreach (var (name, what, _) in configurations)
{
    var results = seeds.Select(seed => Path.Combine(runs, $"{name}-{seed}", "results.json")).Where(File.Exists)
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

    Console.WriteLine($"| {what} (`{name}`) | {Figure("")} | {Figure("structure")} | {Figure("text")} | {Figure("image")} |");
}

return 0;
