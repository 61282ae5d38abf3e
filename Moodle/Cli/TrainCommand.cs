using System.CommandLine;
using Moodle.Configuration;
using Moodle.Runtime;
using Moodle.Training;

namespace Moodle.Cli;

/// <summary><c>moodle train</c>: a run from a configuration.</summary>
internal static class TrainCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var config = new Argument<string>("CONFIG") { Description = "YAML configuration; configs/default.yaml documents every key." };
        var set = new Option<string[]>("--set") { Description = "Override a key of the configuration; may be given several times.", HelpName = "key=value" };
        var run = new Option<string?>("--run") { Description = "Folder of the run; by default runs/NAME-DATE-TIME.", HelpName = "DIR" };
        var seed = new Option<int?>("--seed") { Description = "Seed of every random choice; short for --set seed=N.", HelpName = "N", CustomParser = result => CommonOptions.Whole(result) };
        var device = new Option<string?>("--device") { Description = "cpu, cuda or cuda:N; short for --set device=...", HelpName = "D" };
        var force = new Option<bool>("--force") { Description = "Replace a run that is in the folder already." };
        var profile = new Option<bool>("--profile") { Description = "Measure where the time goes, and what it reaches of the device's ceilings; also written to the run's profile.json." };
        var noTest = new Option<bool>("--no-test") { Description = "Leave the test triples unread, while you still choose between configurations by validation." };
        var command = new Command("train", "Trains a model and reports its test results.") { config, set, run, seed, device, force, profile, noTest };
        command.SetAction(result =>
        {
            var path = result.GetRequiredValue(config);
            List<string> sets = [.. result.GetValue(set) ?? []];
            if (result.GetValue(seed) is { } chosen)
            {
                sets.Add(FormattableString.Invariant($"seed={chosen}"));
            }

            if (result.GetValue(device) is { } place)
            {
                sets.Add($"device={place}");
            }

            var settings = ConfigLoader.Load(path, sets).WithFullPaths(path);
            var folder = RunFolder.Named(result.GetValue(run), Path.GetFileNameWithoutExtension(path));
            LibTorch.Load();
            return RunConsole.Work(folder, (console, cancellation) =>
            {
                console.Message($"run: {folder}");
                var options = new StartOptions { Force = result.GetValue(force), Profile = result.GetValue(profile), Test = !result.GetValue(noTest) };
                return Trainer.Start(settings, folder, options, console, cancellation);
            });
        });
        return command;
    }
}
