using Moodle.Evaluation;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>One stage of training: what a step is, and what is measured between epochs. The loop around it is the <see cref="StageRunner"/>.</summary>
internal abstract class Stage : IDisposable
{
    /// <summary>The stage's name in logs, metrics and checkpoints.</summary>
    public abstract string Name { get; }

    /// <summary>The most epochs.</summary>
    public abstract int Epochs { get; }

    /// <summary>Names of the loss terms, in the order in which steps return them.</summary>
    public abstract IReadOnlyList<string> LossNames { get; }

    /// <summary>What is trained and saved.</summary>
    public abstract nn.Module Module { get; }

    /// <summary>The optimisers; each parameter belongs to one of them.</summary>
    public abstract IReadOnlyList<ParameterOptimizer> Optimizers { get; }

    /// <summary>What an epoch counts, in the plural.</summary>
    public abstract string Unit { get; }

    /// <summary>How many of <see cref="Unit"/> an epoch has.</summary>
    public abstract long UnitsPerEpoch { get; }

    /// <summary>Where the stage's time is measured.</summary>
    public Profile Profile { get; set; } = Profile.Off;

    /// <summary>Hears what the stage has to say to the user.</summary>
    public Action<string> Message { get; set; } = _ => { };

    /// <summary>Times a part of a step.</summary>
    protected IDisposable? Part(string name, double flops = 0, double bytes = 0) => Profile.IsOn ? Profile.Part($"{Name}: {name}", flops, bytes) : null;

    /// <summary>Prepares an epoch.</summary>
    /// <param name="epoch">Complete epochs before it.</param>
    /// <param name="random">The epoch's own generator.</param>
    /// <returns>The number of steps.</returns>
    public abstract int BeginEpoch(int epoch, SplitMix64 random);

    /// <summary>
    /// Says that an epoch will begin after this one, all of whose steps were taken, though a GPU may not be through with them: a stage may prepare it meanwhile. Not on another
    /// thread: a collection that it starts can free a number that TorchSharp is passing to libtorch.
    /// </summary>
    /// <param name="epoch">Complete epochs before it.</param>
    /// <param name="random">A generator as <see cref="BeginEpoch"/> will get.</param>
    public virtual void ExpectEpoch(int epoch, SplitMix64 random)
    {
    }

    /// <summary>Forward, backward and update. Runs inside a DisposeScope; torch's generator is seeded for the step.</summary>
    /// <param name="epoch">Complete epochs before this one.</param>
    /// <param name="step">Complete steps of this epoch.</param>
    /// <returns>The loss terms, detached: [LossNames.Count].</returns>
    public abstract Tensor Step(int epoch, int step);

    /// <summary>
    /// What is chosen by validation: for a branch's validation MRR the prefix of the tensors that go with it. Each is kept as it was when its
    /// own MRR was best; the stage ends early when none has become better for a while.
    /// </summary>
    public virtual IReadOnlyList<(string Branch, string Prefix)> Choices => [];

    /// <summary>Metrics of each branch on validation.</summary>
    public virtual IReadOnlyList<(string Branch, Metrics Metrics)> Validate(Action<int, int> progress, CancellationToken cancellation) => [];

    /// <summary>How much each branch is trusted by each other as its teacher, from 0 to 1: a mean over the training triples' relations. Empty where nothing is guided.</summary>
    public virtual IReadOnlyList<(string Teacher, string Student, double Trust)> Trust() => [];

    /// <inheritdoc/>
    public virtual void Dispose()
    {
        foreach (var optimizer in Optimizers)
        {
            optimizer.Dispose();
        }

        GC.SuppressFinalize(this);
    }
}
