// Time and memory of 'moodle report', and how fast 'moodle explore' answers.
//
//   dotnet run experiments/report/measure.cs -- report RUN [times]
//   dotnet run experiments/report/measure.cs -- explore RUN [queries] [clients]
//
// MOODLE names the program, and is Moodle/bin/Release/net10.0/moodle.dll by default: build first.

using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var program = Environment.GetEnvironmentVariable("MOODLE") ?? "Moodle/bin/Release/net10.0/moodle.dll";
int Number(int place, int otherwise) => args.Length > place ? int.Parse(args[place], CultureInfo.InvariantCulture) : otherwise;
switch (args)
{
    case ["report", var run, ..]:
        for (var i = 0; i < Number(2, 3); i++)
        {
            Report(run);
        }

        return 0;
    case ["explore", var run, ..]:
        await Explore(run, Number(2, 4000), Number(3, 2));
        return 0;
    default:
        Console.Error.WriteLine("give 'report RUN [times]' or 'explore RUN [queries] [clients]'");
        return 2;
}

Process Start(params string[] words)
{
    string[] all = program.EndsWith(".dll", StringComparison.Ordinal) ? ["dotnet", program, .. words] : [program, .. words];
    var info = new ProcessStartInfo(all[0], all[1..]) { RedirectStandardOutput = true, RedirectStandardError = true };
    info.Environment["OMP_WAIT_POLICY"] = "passive";
    var process = Process.Start(info)!;
    process.ErrorDataReceived += (_, _) => { };
    process.BeginErrorReadLine();
    return process;
}

// The high-water mark that Linux keeps of a process, in KiB; 0 once it is gone.
static long Peak(int process)
{
    try
    {
        return File.ReadLines($"/proc/{process}/status").Where(line => line.StartsWith("VmHWM:", StringComparison.Ordinal))
            .Select(line => long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture)).FirstOrDefault();
    }
    catch (IOException)
    {
        return 0;
    }
}

void Report(string run)
{
    var folder = Directory.CreateTempSubdirectory("moodle-report-");
    var watch = Stopwatch.StartNew();
    using var process = Start("report", run, "--out", folder.FullName);
    long peak = 0;
    while (!process.WaitForExit(20))
    {
        peak = Math.Max(peak, Peak(process.Id));
    }

    Console.WriteLine(process.ExitCode != 0 ? $"exit code {process.ExitCode}"
        : $"report: {watch.Elapsed.TotalSeconds:F1} s, peak {peak / 1024.0:F0} MiB, report.html {new FileInfo(Path.Combine(folder.FullName, "report.html")).Length / 1e6:F2} MB");
    folder.Delete(recursive: true);
}

async Task Explore(string run, int queries, int clients)
{
    const int Port = 18237, WarmUp = 200;
    using var process = Start("explore", run, "--port", $"{Port}");
    Console.WriteLine(await process.StandardOutput.ReadLineAsync() ?? "it does not start");
    using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{Port}/") };
    var relations = JsonDocument.Parse(await client.GetStringAsync("api/relations")).RootElement.GetArrayLength();
    var entities = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(run, "results.json"))).RootElement.GetProperty("entities").GetInt32();
    // Each question is another one: nothing can be answered from memory.
    var random = new Random(1);
    var questions = Enumerable.Range(0, WarmUp + queries).Select(i => $"api/answers?entity={random.Next(entities)}&relation={random.Next(relations)}&asked={(i % 2 == 0 ? "tail" : "head")}&top=10").ToArray();
    foreach (var question in questions[..WarmUp])
    {
        await client.GetByteArrayAsync(question);
    }

    var (next, times) = (WarmUp - 1, new ConcurrentBag<double>());
    var watch = Stopwatch.StartNew();
    await Task.WhenAll(Enumerable.Range(0, clients).Select(_ => Task.Run(async () =>
    {
        for (int i; (i = Interlocked.Increment(ref next)) < questions.Length;)
        {
            var start = Stopwatch.GetTimestamp();
            await client.GetByteArrayAsync(questions[i]);
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
    })));
    var seconds = watch.Elapsed.TotalSeconds;
    var sorted = times.Order().ToArray();
    double At(double share) => sorted[(int)(share * (sorted.Length - 1))];
    Console.WriteLine($"explore: {queries} queries by {clients} clients, {queries / seconds:F0} queries/s; median {At(0.5):F1} ms, p99 {At(0.99):F1} ms, longest {sorted[^1]:F1} ms; peak {Peak(process.Id) / 1024.0:F0} MiB");
    process.Kill();
}
