using System.Diagnostics;
using System.Text;
using Moodle.Configuration;
using Moodle.Evaluation;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>
/// The loop around stages: epochs and steps, validation and early stopping, checkpoints, metrics. What a step draws at random depends on
/// where it stands and not on what ran before it in the same process, so a resumed run goes on exactly as it would have.
/// </summary>
internal sealed class StageRunner(RunFolder run, MoodleConfig config, ITrainingMonitor monitor, Profile profile, CancellationToken cancellation) : IDisposable
{
    private readonly Stopwatch _sinceCheckpoint = Stopwatch.StartNew();
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly PendingCheckpoint _best = new(run.Checkpoints, CheckpointFolder.Best);
    private double? _secondsBefore;

    /// <summary>Runs a stage from where the state says to its end, and leaves the stage's best parameters in the module.</summary>
    /// <param name="stage">The stage.</param>
    /// <param name="state">The state of the last checkpoint, of this stage or of one before.</param>
    /// <returns>The state after the stage.</returns>
    /// <exception cref="OperationCanceledException">Cancelled; the state is saved.</exception>
    public TrainingState Run(Stage stage, TrainingState state)
    {
        // Of earlier processes: the seconds of this one's earlier stages are on the clock already.
        _secondsBefore ??= state.Seconds;
        (stage.Profile, stage.Message) = (profile, monitor.Message);
        if (state.Stage == stage.Name)
        {
            Restore(stage, CheckpointFolder.Last, withOptimizer: true);
        }
        else
        {
            state = new TrainingState { Seed = config.Seed, Stage = stage.Name, GlobalStep = state.GlobalStep, MetricsLength = run.MetricsLength };
            monitor.Message($"{stage.Name}: up to {stage.Epochs} epochs of {stage.UnitsPerEpoch:N0} {stage.Unit}");
            if (stage.Choices.Count > 0)
            {
                // Saved at once: the best checkpoint belongs to this stage from now on, and the stage before must not resume from it.
                state = Save(stage, Validate(stage, state));
            }
        }

        try
        {
            while (!state.StageEnded && state.Epoch < stage.Epochs)
            {
                state = Epoch(stage, state);
            }
        }
        catch
        {
            // Whatever ended the stage, its best parameters so far are kept.
            _best.Write();
            throw;
        }

        if (!state.StageEnded)
        {
            state = Save(stage, state with { StageEnded = true });
        }

        if (stage.Choices.Count > 0)
        {
            Restore(stage, CheckpointFolder.Best, withOptimizer: false);
            monitor.Message($"{stage.Name}: best validation MRR "
                + string.Join(", ", state.Best.Select(best => $"{best.Key} {best.Value.Mrr:F4} (epoch {best.Value.Epoch})")) + $" of {state.Epoch} epochs");
        }

        return state;
    }

    private TrainingState Epoch(Stage stage, TrainingState state)
    {
        int steps;
        using (profile.Part($"{stage.Name}: batches"))
        {
            steps = stage.BeginEpoch(state.Epoch, RandomOf(state.Epoch));
        }

        SplitMix64 RandomOf(int epoch) => SplitMix64.ForStream((ulong)config.Seed, StreamOf(stage.Name, epoch));

        var sums = state.LossSums.Count > 0 ? state.LossSums.ToArray() : new double[stage.LossNames.Count];
        var (task, first, clock) = ($"{stage.Name} {state.Epoch + 1}/{stage.Epochs}", state.Step, Stopwatch.StartNew());
        using var pending = new LossSums(stage.LossNames.Count);
        stage.Module.train();
        for (var step = first; step < steps; step++)
        {
            RandomState.Seed((long)(StreamOf(stage.Name, state.Epoch) ^ ((ulong)config.Seed << 20) ^ (ulong)step) & long.MaxValue);
            using (NewDisposeScope())
            {
                pending.Add(stage.Step(state.Epoch, step));
            }

            monitor.Progress(task, stage.UnitsPerEpoch * (step + 1) / steps, stage.UnitsPerEpoch, stage.Unit);
            if (cancellation.IsCancellationRequested || _sinceCheckpoint.Elapsed.TotalSeconds > config.Training.CheckpointSeconds)
            {
                pending.MoveTo(sums);
                state = Save(stage, state with { Step = step + 1, GlobalStep = state.GlobalStep + step + 1 - state.Step, LossSums = [.. sums] });
                cancellation.ThrowIfCancellationRequested();
            }
        }

        if (state.Epoch + 1 < stage.Epochs)
        {
            using var part = profile.Part($"{stage.Name}: batches");
            // While a GPU is busy with the steps that wait in its queue.
            stage.ExpectEpoch(state.Epoch + 1, RandomOf(state.Epoch + 1));
        }

        pending.MoveTo(sums);
        var losses = stage.LossNames.Zip(sums, (name, sum) => (name, sum / Math.Max(1, steps))).ToArray();
        if (losses.Any(loss => !double.IsFinite(loss.Item2)))
        {
            throw Diverged(task, "the loss is no longer a finite number");
        }

        state = state with { Epoch = state.Epoch + 1, Step = 0, GlobalStep = state.GlobalStep + steps - state.Step, LossSums = [] };
        var rate = stage.UnitsPerEpoch * (double)(steps - first) / Math.Max(1, steps) / Math.Max(1e-9, clock.Elapsed.TotalSeconds);
        run.Metrics.Epoch(stage.Name, state, losses, clock.Elapsed.TotalSeconds, rate, stage.Unit, stage.Trust());
        monitor.Message($"{task}: {string.Join(", ", losses.Select(loss => $"{loss.Item1} {loss.Item2:F4}"))}; {clock.Elapsed.TotalSeconds:F1} s, {rate:N0} {stage.Unit}/s");

        var ended = state.Epoch >= stage.Epochs;
        if (stage.Choices.Count > 0 && (state.Epoch % config.Training.ValidateEvery == 0 || ended))
        {
            state = Validate(stage, state);
            ended |= config.Training.Patience > 0 && state.Stale >= config.Training.Patience;
        }

        state = state with { StageEnded = ended };
        // A checkpoint after each epoch would cost more than the epoch on a small graph.
        return ended || _sinceCheckpoint.Elapsed.TotalSeconds > Math.Min(10, config.Training.CheckpointSeconds) || cancellation.IsCancellationRequested
            ? SaveAndStop(stage, state)
            : state;
    }

    private TrainingState SaveAndStop(Stage stage, TrainingState state)
    {
        state = Save(stage, state);
        cancellation.ThrowIfCancellationRequested();
        return state;
    }

    private TrainingState Validate(Stage stage, TrainingState state)
    {
        IReadOnlyList<(string Branch, Metrics Metrics)> branches;
        using (profile.Part($"{stage.Name}: validation"))
        {
            try
            {
                branches = stage.Validate((done, total) => monitor.Progress($"{stage.Name} validation", done, total, "queries"), CancellationToken.None);
            }
            catch (LossNotFiniteException exception)
            {
                throw Diverged($"{stage.Name} {state.Epoch}/{stage.Epochs}: validation", exception.Message, exception);
            }
        }

        run.Metrics.Validation(stage.Name, state, branches);
        var best = new Dictionary<string, TrainingState.BestValidation>(state.Best);
        var better = stage.Choices.Where(choice => MrrOf(choice.Branch) > (best.GetValueOrDefault(choice.Branch)?.Mrr ?? -1)).ToArray();
        foreach (var (branch, _) in better)
        {
            best[branch] = new(MrrOf(branch), state.Epoch);
        }

        monitor.Message($"{stage.Name} {state.Epoch}/{stage.Epochs}: validation MRR "
            + string.Join(", ", branches.Select(branch => $"{branch.Branch} {branch.Metrics.Mrr:F4}"))
            + (better.Length > 0 ? $" (best: {string.Join(", ", better.Select(choice => choice.Branch))})" : ""));
        state = state with { Best = best, Stale = better.Length > 0 ? 0 : state.Stale + 1 };
        if (better.Length > 0)
        {
            KeepBest(stage, state, better.Select(choice => ModelPrefix + choice.Prefix).ToArray());
        }

        return state;

        double MrrOf(string branch) => branches.First(entry => entry.Branch == branch).Metrics.Mrr;
    }

    private LossNotFiniteException Diverged(string task, string what, Exception? cause = null) =>
        new($"{task}: {what}; lower the stage's learning rate. The last good checkpoint is kept in {run.Path}", cause);

    // Tensors of what became better come from the module, all others from the checkpoint that is replaced.
    private void KeepBest(Stage stage, TrainingState state, string[] prefixes)
    {
        using var part = profile.Part($"{stage.Name}: checkpoints");
        _best.Take(Stamp(state), ModuleTensors.Of(stage.Module, ModelPrefix), name => state.Epoch == 0 || prefixes.Any(prefix => name.StartsWith(prefix, StringComparison.Ordinal)));
    }

    private TrainingState Save(Stage stage, TrainingState state)
    {
        using var part = profile.Part($"{stage.Name}: checkpoints");
        // First: what the last checkpoint says of the best one must be true.
        _best.Write();
        state = Stamp(state);
        var tensors = ModuleTensors.Of(stage.Module, ModelPrefix);
        foreach (var (name, tensor) in stage.Optimizers.SelectMany(optimizer => optimizer.State()))
        {
            tensors.Add(OptimizerPrefix + name, tensor);
        }

        run.Checkpoints.Save(CheckpointFolder.Last, state, tensors);
        _sinceCheckpoint.Restart();
        return state;
    }

    private TrainingState Stamp(TrainingState state) =>
        state with { MetricsLength = run.MetricsLength, Seconds = (_secondsBefore ?? 0) + _clock.Elapsed.TotalSeconds };

    private void Restore(Stage stage, string name, bool withOptimizer)
    {
        var (_, tensors) = run.Checkpoints.Load(name);
        try
        {
            ModuleTensors.Load(stage.Module, ModelPrefix, tensors.Where(entry => !entry.Key.StartsWith(OptimizerPrefix, StringComparison.Ordinal)).ToDictionary(), run.Checkpoints.JsonPath(name));
            if (withOptimizer)
            {
                var state = tensors.Where(entry => entry.Key.StartsWith(OptimizerPrefix, StringComparison.Ordinal))
                    .ToDictionary(entry => entry.Key[OptimizerPrefix.Length..], entry => entry.Value);
                foreach (var optimizer in stage.Optimizers)
                {
                    optimizer.Load(state);
                }
            }
        }
        finally
        {
            foreach (var tensor in tensors.Values)
            {
                tensor.Dispose();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _best.Dispose();

    /// <summary>Prefix of the model's tensors in a checkpoint.</summary>
    public const string ModelPrefix = "model.";

    private const string OptimizerPrefix = "optimizer.";

    // FNV-1a over the stage's name, then the epoch: a number of its own for every epoch of every stage.
    private static ulong StreamOf(string stage, int epoch)
    {
        var hash = 14695981039346656037UL;
        foreach (var value in Encoding.UTF8.GetBytes(stage).Concat(BitConverter.GetBytes(epoch)))
        {
            hash = (hash ^ value) * 1099511628211UL;
        }

        return hash;
    }
}
