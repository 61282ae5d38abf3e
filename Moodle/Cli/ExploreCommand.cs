using System.CommandLine;
using Moodle.Reporting;
using Moodle.Runtime;
using Moodle.Training;

namespace Moodle.Cli;

/// <summary><c>moodle explore</c>: a run's report with live questions to its model, in a browser on this machine.</summary>
internal static class ExploreCommand
{
    private const int DefaultPort = 8237;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var run = CommonOptions.Run();
        var port = new Option<int>("--port") { Description = "Port on 127.0.0.1.", HelpName = "N", DefaultValueFactory = _ => DefaultPort, CustomParser = result => CommonOptions.Whole(result, least: 1) };
        var (checkpoint, device) = (CommonOptions.Checkpoint(), CommonOptions.Device());
        var command = new Command("explore", "Serves a run's report with live questions to its model, to this machine alone.") { run, port, checkpoint, device };
        command.SetAction(result =>
        {
            if (result.GetValue(port) > ushort.MaxValue)
            {
                throw new InputException($"--port: {result.GetValue(port)} is no port; give a number from 1 to {ushort.MaxValue}");
            }

            LibTorch.Load();
            using var console = new ProgressConsole();
            using var interrupt = new Interrupt(console, "stopping");
            using var model = TrainedModel.Load(result.GetRequiredValue(run), result.GetRequiredValue(checkpoint), result.GetValue(device));
            var explorer = new Explorer(result.GetRequiredValue(run), model, (done, total) => console.Progress("ranking", done, total, "queries"), interrupt.Token);
            console.Clear();
            using var server = new ExplorerServer(explorer, result.GetValue(port));
            Console.WriteLine($"open {server.Address} in a browser; Ctrl-C stops");
            server.RunAsync(interrupt.Token).GetAwaiter().GetResult();
            return 0;
        });
        return command;
    }
}
