// What longer documents are worth to the text branch of FB15K-237-IMG, and what they cost: prints the table of README.md.
//
//   dotnet run experiments/text-documents/documents.cs -- --data FOLDER [--runs runs/text-documents] [--only NAME,...]
//
// Runs that are complete already are not trained again.

using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

string[] dense = ["text.encoder.attention.kind=dense"];
string[] anchor =
[
    "text.encoder.attention.kind=cpu", "text.encoder.attention.threshold=384", "text.encoder.attention.block=64", "text.encoder.attention.step=1",
    "text.encoder.attention.init=16", "text.encoder.attention.local=32", "text.encoder.attention.theta=2",
];
(string Name, string What, string[] Sets)[] configurations =
[
    ("name", "name only", [.. dense, "text.document.description=false"]),
    ("description", "name and description", dense),
    ("triples-dense", "with triples, dense attention", [.. dense, "text.document.triples=true"]),
    ("triples-anchor", "with triples, AnchorAttention", [.. anchor, "text.document.triples=true"]),
];

var options = args.Chunk(2).ToDictionary(pair => pair[0], pair => pair[1]);
var runs = options.GetValueOrDefault("--runs", "runs/text-documents");
var only = options.GetValueOrDefault("--only", "").Split(',', StringSplitOptions.RemoveEmptyEntries);
Process.Start("dotnet", ["build", "-c", "Release", "Moodle", "-v", "quiet", "--nologo"])!.WaitForExit();

Console.WriteLine("| documents | mean tokens | median | 90 % | 99 % | longest | encoding, s per 1,000 entities | training, entities/s | validation MRR |");
Console.WriteLine("|---|---|---|---|---|---|---|---|---|");
foreach (var (name, what, sets) in configurations.Where(configuration => only.Length == 0 || only.Contains(configuration.Name)))
{
    var folder = Path.Combine(runs, name);
    if (!File.Exists(Path.Combine(folder, "results.json")))
    {
        string[] command =
        [
            "Moodle/bin/Release/net10.0/moodle.dll", "train", "experiments/text-documents/config.yaml", "--run", folder, "--force",
            "--set", $"data.path={options["--data"]}", "--set", "data.cache=false", .. sets.SelectMany(set => (string[])["--set", set]),
        ];
        Process.Start("dotnet", command)!.WaitForExit();
    }

    var log = File.ReadAllText(Path.Combine(folder, "log.txt"));
    var lengths = Regex.Match(log, @"documents of ([\d,]+) tokens on average, ([\d,]+) \(median\), ([\d,]+) \(90 % are shorter\), ([\d,]+) \(99 %\), ([\d,]+) \(longest\)");
    var seconds = Regex.Match(log, @"encode text: .* ([\d.]+) s per 1,000").Groups[1].Value;
    var events = File.ReadLines(Path.Combine(folder, "metrics.jsonl")).Select(line => JsonDocument.Parse(line).RootElement).ToArray();
    var rate = events.Where(e => e.GetProperty("event").GetString() == "epoch" && e.GetProperty("stage").GetString() == "encode text")
        .Select(e => e.GetProperty("entities_per_second").GetDouble()).DefaultIfEmpty().Max();
    var mrr = events.Where(e => e.GetProperty("event").GetString() == "validation")
        .Max(e => e.GetProperty("branches").GetProperty("text").GetProperty("mrr").GetDouble()).ToString("F4", CultureInfo.InvariantCulture);
    var figures = string.Join(" | ", lengths.Groups.Values.Skip(1).Select(group => group.Value));
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {what} (`{name}`) | {figures} | {seconds} | {rate:F0} | {mrr} |"));
}
