using System.CommandLine;
using Moodle.Runtime;
using Moodle.Training;

namespace Moodle.Cli;

/// <summary><c>moodle resume</c>: goes on with a run.</summary>
internal static class ResumeCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var run = CommonOptions.Run();
        var command = new Command("resume", "Goes on with a run that was interrupted, from its last checkpoint.") { run };
        command.SetAction(result =>
        {
            var folder = result.GetRequiredValue(run);
            LibTorch.Load();
            return RunConsole.Work(folder, (console, cancellation) => Trainer.Resume(folder, console, cancellation));
        });
        return command;
    }
}
