namespace Moodle.Training;

/// <summary>Hears what a training run has to say while it works.</summary>
public interface ITrainingMonitor
{
    /// <summary>A line worth keeping: it stands in the run's log as well.</summary>
    void Message(string text);

    /// <summary>How far a long piece of work is. Called often and from any thread; must be cheap.</summary>
    /// <param name="task">What is being done, such as <c>unimodal 3/20</c>.</param>
    /// <param name="done">How much of it is done.</param>
    /// <param name="total">How much there is.</param>
    /// <param name="unit">What is counted, in the plural.</param>
    void Progress(string task, long done, long total, string unit);
}
