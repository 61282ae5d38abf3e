using Moodle.Training;

namespace Moodle.Tests.Training;

/// <summary>Keeps what a run says; may do something at each sign of progress.</summary>
internal sealed class Heard(Action<string>? atProgress = null) : ITrainingMonitor
{
    private readonly Lock _lock = new();

    public List<string> Messages { get; } = [];

    public int ProgressCalls { get; private set; }

    public HashSet<string> Tasks { get; } = [];

    public void Message(string text)
    {
        lock (_lock)
        {
            Messages.Add(text);
        }
    }

    public void Progress(string task, long done, long total, string unit)
    {
        lock (_lock)
        {
            ProgressCalls++;
            Tasks.Add(task);
            atProgress?.Invoke(task);
        }
    }
}
