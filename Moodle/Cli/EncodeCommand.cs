using System.CommandLine;
using Moodle.Configuration;
using Moodle.Models;
using Moodle.Runtime;
using Moodle.Training;

namespace Moodle.Cli;

/// <summary><c>moodle encode</c>: features of pre-trained encoders, ahead of training.</summary>
internal static class EncodeCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var config = new Argument<string>("CONFIG") { Description = "YAML configuration that names a pre-trained encoder." };
        var set = new Option<string[]>("--set") { Description = "Override a key of the configuration; may be given several times.", HelpName = "key=value" };
        var modality = new Option<string?>("--modality") { Description = "Only this one; by default all that have a pre-trained encoder.", HelpName = "text|image" };
        modality.AcceptOnlyFromAmong("text", "image");
        var device = new Option<string?>("--device") { Description = "cpu, cuda or cuda:N; short for --set device=...", HelpName = "D" };
        var command = new Command("encode", "Encodes texts and pictures with pre-trained encoders, for runs to come.") { config, set, modality, device };
        command.SetAction(result =>
        {
            var path = result.GetRequiredValue(config);
            List<string> sets = [.. result.GetValue(set) ?? []];
            if (result.GetValue(device) is { } place)
            {
                sets.Add($"device={place}");
            }

            var settings = ConfigLoader.Load(path, sets).WithFullPaths(path);
            Modality? only = result.GetValue(modality) switch { "text" => Modality.Text, "image" => Modality.Image, _ => null };
            LibTorch.Load();
            using var console = new ProgressConsole();
            using var interrupt = new Interrupt(console, "finishing this batch; press Ctrl-C again to stop at once");
            try
            {
                var stores = FeatureEncoding.Run(settings, only, console, interrupt.Token);
                console.Clear();
                foreach (var (kind, store, entities, size) in stores)
                {
                    Console.WriteLine(FormattableString.Invariant($"{MultimodalModel.NameOf(kind)}: {entities:N0} entities × {size:N0} values in {store}"));
                }

                return 0;
            }
            catch (OperationCanceledException)
            {
                console.Message("moodle: interrupted; the same command goes on from here");
                return MoodleCommand.Interrupted;
            }
        });
        return command;
    }
}
