using Atlas;

// Rebuilds data/atlas from data/atlas/source. "--check" only checks, "--flags" only draws the flags,
// "--sheet FILE" puts all flags onto contact sheets, "--source DIR" and "--output DIR" name other folders.
string? Option(string name) => Array.IndexOf(args, name) is var at and >= 0 && at + 1 < args.Length ? args[at + 1] : null;

var atlas = Option("--output") ?? Path.Combine(FindRepository(), "data", "atlas");
var build = new AtlasBuild(Option("--source") ?? Path.Combine(atlas, "source"));
if (args.Contains("--flags") || Option("--sheet") is not null)
{
    foreach (var problem in build.Problems.Errors.Where(problem => problem.File is "flags.csv" or "emblems.csv"))
    {
        Console.Error.WriteLine(problem);
    }

    if (Option("--sheet") is { } sheet)
    {
        build.Flags.WriteContactSheets(sheet);
    }
    else
    {
        build.WriteFlags(atlas);
    }

    return 0;
}

foreach (var remark in build.Problems.Remarks)
{
    Console.WriteLine($"remark: {remark}");
}

foreach (var problem in build.Problems.Errors)
{
    Console.Error.WriteLine(problem);
}

if (build.Problems.Errors.Count > 0)
{
    Console.Error.WriteLine($"{build.Problems.Errors.Count} problems; nothing was written");
    return 2;
}

if (!args.Contains("--check"))
{
    build.Write(atlas);
}

Console.WriteLine(
    $"{build.EntityCount} entities; {build.Splits.Train.Count} + {build.Splits.Validation.Count} + {build.Splits.Test.Count} triples; " +
    $"{build.Flags.Codes.Count} flags");
return 0;

static string FindRepository()
{
    foreach (var start in new[] { Directory.GetCurrentDirectory(), AppContext.BaseDirectory })
    {
        for (var folder = new DirectoryInfo(start); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Moodle.sln")))
            {
                return folder.FullName;
            }
        }
    }

    throw new DirectoryNotFoundException("no Moodle.sln above the current folder; run this inside the repository");
}
