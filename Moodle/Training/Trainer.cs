using System.Collections.Immutable;
using Moodle.Configuration;
using Moodle.Evaluation;
using Moodle.Graphs;
using Moodle.Modalities;
using Moodle.Models;
using Moodle.Runtime;
using Moodle.Runtime.Cuda;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>A training run from its beginning, or from its last checkpoint, to the test results.</summary>
public static class Trainer
{
    /// <summary>Starts a run.</summary>
    /// <param name="config">The configuration; <c>data.path</c> is a full path.</param>
    /// <param name="runPath">The run's folder.</param>
    /// <param name="options">Whether a run that is there is replaced, whether its time is measured, and whether it ends with the test.</param>
    /// <param name="monitor">Hears messages and progress.</param>
    /// <param name="cancellation">Finishes the step, saves and stops.</param>
    /// <returns>The test results; null where the test stays unread.</returns>
    /// <exception cref="InputException">Something given cannot be used.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; <see cref="Resume"/> goes on.</exception>
    public static EvaluationReport? Start(MoodleConfig config, string runPath, StartOptions options, ITrainingMonitor monitor, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(options);
        return Begin(config, runPath, options, monitor, cancellation).Report;
    }

    /// <summary>Goes on with a run from its last checkpoint, or from the beginning where it has none.</summary>
    /// <param name="runPath">The run's folder.</param>
    /// <param name="monitor">Hears messages and progress.</param>
    /// <param name="cancellation">Finishes the step, saves and stops.</param>
    /// <returns>The test results; null where the run was started to leave the test unread.</returns>
    /// <exception cref="InputException">There is no run, or it cannot be used.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; another call goes on.</exception>
    public static EvaluationReport? Resume(string runPath, ITrainingMonitor monitor, CancellationToken cancellation) =>
        Continue(runPath, monitor, cancellation).Report;

    /// <summary>Starts a run, or goes on with it where it was begun, and ends before the test: for who still chooses between runs.</summary>
    /// <param name="config">The configuration; that of the run where it was begun.</param>
    /// <param name="runPath">The run's folder.</param>
    /// <param name="monitor">Hears messages and progress.</param>
    /// <param name="cancellation">Finishes the step, saves and stops.</param>
    /// <returns>The state after the last stage.</returns>
    /// <exception cref="InputException">Something given cannot be used.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; another call goes on.</exception>
    internal static TrainingState TrainOnly(MoodleConfig config, string runPath, ITrainingMonitor monitor, CancellationToken cancellation) =>
        (RunFolder.Holds(runPath)
            ? Continue(runPath, monitor, cancellation)
            : Begin(config, runPath, new StartOptions { Force = true, Test = false }, monitor, cancellation)).State;

    private static (TrainingState State, EvaluationReport? Report) Begin(
        MoodleConfig config, string runPath, StartOptions options, ITrainingMonitor monitor, CancellationToken cancellation)
    {
        var device = Devices.Parse(config.Device);
        var profile = options.Profile ? Profile.On(device) : Profile.Off;
        // Read before the folder is touched: bad data must not cost the run that is there.
        KnowledgeGraph graph;
        using (profile.Part("data"))
        {
            graph = ReadData(config);
        }

        var outside = FeatureBuilder.ReadOutside(config, graph);
        using var run = RunFolder.Create(runPath, options.Force);
        RunVocabularies.Write(runPath, graph);
        if (!options.Test)
        {
            run.LeaveUntested();
        }

        AtomicFile.WriteText(run.ConfigPath, ConfigLoader.ToYaml(config));
        return Run(run, config, graph, outside, device, profile, options.Test, new LoggingMonitor(monitor, run), cancellation);
    }

    private static (TrainingState State, EvaluationReport? Report) Continue(string runPath, ITrainingMonitor monitor, CancellationToken cancellation)
    {
        var config = RunFolder.ReadConfig(runPath);
        var device = Devices.Parse(config.Device);
        var graph = RunData.Read(config.Data);
        RunVocabularies.Check(runPath, graph);
        using var run = RunFolder.Open(runPath);
        // Features from outside stand in the run's folder already, unless it was stopped before.
        return Run(run, config, graph, new Dictionary<Modality, OutsideFeatures>(), device, Profile.Off, !RunFolder.IsUntested(runPath), new LoggingMonitor(monitor, run), cancellation);
    }

    /// <summary>The data set that a run is started with.</summary>
    /// <exception cref="InputException">It cannot be read, or has no validation triples.</exception>
    internal static KnowledgeGraph ReadData(MoodleConfig config)
    {
        var graph = RunData.Read(config.Data);
        return graph.Validation.IsEmpty
            ? throw new InputException($"{graph.Path}: the validation split holds no triple; training chooses its best parameters by validation, so move some training triples there")
            : graph;
    }

    private static (TrainingState State, EvaluationReport? Report) Run(
        RunFolder run, MoodleConfig config, KnowledgeGraph graph, IReadOnlyDictionary<Modality, OutsideFeatures> outside, Device device, Profile profile, bool test,
        LoggingMonitor monitor, CancellationToken cancellation)
    {
        Devices.SetThreads(config.Threads);
        using var precision = config.Training.Products == ProductPrecision.Full ? MatrixPrecision.Full() : MatrixPrecision.Rounded();
        using (profile.Part("audit"))
        {
            Describe(graph, config, device, monitor);
        }

        if (!test)
        {
            // Nothing below can look at what is not there.
            graph = graph.With(graph.Train, graph.Validation, [], []);
        }

        var state = new TrainingState();
        if (run.Checkpoints.Has(CheckpointFolder.Last))
        {
            state = TrainingState.Read(run.Checkpoints.JsonPath(CheckpointFolder.Last));
            monitor.Message($"resuming in stage '{state.Stage}' after {state.Epoch} epochs and {state.Step} steps");
        }

        run.Metrics.Truncate(state.MetricsLength);
        if (state.MetricsLength == 0)
        {
            run.Metrics.Start(state, config.Device, get_num_threads());
        }

        using var runner = new StageRunner(run, config, monitor, profile, cancellation);
        // Encoders must not know what the fusion learns trust from, either.
        var (forBranches, forFusion) = HoldOut.Divide(graph, config);
        var features = new FeatureBuilder(run, config, graph, forBranches, outside, device, monitor, cancellation).Build(runner, ref state);

        RandomState.Seed(config.Seed);
        using var model = new MultimodalModel(
            config, graph.Entities.Count, graph.Relations.Count, features, device, graph.Train, config.Paths.Enabled && HoldOut.IsByPair(graph, config.Paths.Hide));
        monitor.Message($"model: {string.Join(", ", model.Names)}; "
            + $"{model.parameters().Sum(parameter => parameter.numel()):N0} parameters");
        using var validator = new Validator(graph, config);
        TrainingQueries QueriesOf(ImmutableArray<Triple> triples) => TrainingQueries.Build(graph.Entities.Count, graph.Relations.Count, triples);
        KnownAnswers AnswersIn(ImmutableArray<Triple> triples) => KnownAnswers.Build(graph.Entities.Count, graph.Relations.Count, triples);
        if (model.Paths is { } paths && state.Stage is not (UnimodalStage.StageName or FusionStage.StageName or UnimodalStage.RefitName))
        {
            var cache = config.Data.Cache ? new PathCache(config, graph, forBranches, device) : null;
            if (state.Stage != PathStage.StageName && cache?.TryLoad(paths) == true)
            {
                monitor.Message($"{PathStage.StageName}: taken from the cache ({cache.File}); data.cache: false trains anew");
            }
            else
            {
                using var stage = new PathStage(config.Paths, model, QueriesOf(forBranches), validator, device);
                state = runner.Run(stage, state);
                cache?.Keep(paths);
            }
        }

        if (state.Stage is not (FusionStage.StageName or UnimodalStage.RefitName))
        {
            using var stage = new UnimodalStage(config, model, QueriesOf(forBranches), validator, device);
            state = runner.Run(stage, state);
        }

        if (model.FusionModule is { } fusion)
        {
            if (state.Stage != UnimodalStage.RefitName)
            {
                using var stage = new FusionStage(config, model, fusion, QueriesOf(forBranches), QueriesOf(forFusion), AnswersIn(graph.Train), validator, device);
                state = runner.Run(stage, state);
            }

            if (config.Training.Refit.Epochs > 0)
            {
                var all = QueriesOf(graph.Train);
                using var refit = new UnimodalStage(config, model, all, validator, device, new FusedVectorTask(config, model, fusion, all, device));
                state = runner.Run(refit, state);
            }
        }

        EvaluationReport? report = null;
        if (test)
        {
            using var part = profile.Part("test");
            report = Test(run, config, graph, model, monitor, cancellation);
        }

        if (profile.IsOn)
        {
            foreach (var line in profile.Write(run.ProfilePath))
            {
                monitor.Message(line);
            }
        }

        return (state, report);
    }

    // The one reading of the test split, by the parameters that validation chose.
    private static EvaluationReport Test(
        RunFolder run, MoodleConfig config, KnowledgeGraph graph, MultimodalModel model, LoggingMonitor monitor, CancellationToken cancellation)
    {
        using var scorer = new MultimodalScorer(model, untrainedFusion: model.FusionModule is null);
        var (report, _) = SplitEvaluation.Run(
            scorer, graph, Split.Test, config.Evaluation, progress: (done, total) => monitor.Progress("test", done, total, "queries"), cancellation: cancellation);
        EvaluationJson.Write(run.ResultsPath, report);
        foreach (var branch in report.Branches)
        {
            monitor.Message($"test {branch.Branch}: MRR {branch.Realistic.Both.Mrr:F4}, Hits@1 {branch.Realistic.Both.HitsAt1:F4}, Hits@10 {branch.Realistic.Both.HitsAt10:F4}");
        }

        return report;
    }

    /// <summary>Tells of the data, what is doubtful about them, and the device.</summary>
    internal static void Describe(KnowledgeGraph graph, MoodleConfig config, Device device, ITrainingMonitor monitor)
    {
        monitor.Message($"data: {graph.Path} ({graph.Layout} layout): {graph.Entities.Count:N0} entities, {graph.Relations.Count:N0} relations, "
            + $"{graph.Train.Length:N0} training, {graph.Validation.Length:N0} validation and {graph.Test.Length:N0} test triples");
        foreach (var note in graph.Notes)
        {
            monitor.Message($"data: {note}");
        }

        foreach (var warning in GraphAudit.Of(graph).Warnings)
        {
            monitor.Message($"warning: {warning}");
        }

        monitor.Message($"device: {device}, {get_num_threads()} CPU threads");
        if (device.type == DeviceType.CUDA && CudaSupport.WhyNot(device) is { } reason)
        {
            monitor.Message($"device: no kernels of our own: {reason}; libtorch's operations take their place, slower");
        }
    }

    /// <summary>Writes messages to the run's log as well.</summary>
    private sealed class LoggingMonitor(ITrainingMonitor inner, RunFolder run) : ITrainingMonitor
    {
        public void Message(string text)
        {
            run.Log(text);
            inner.Message(text);
        }

        public void Progress(string task, long done, long total, string unit) => inner.Progress(task, done, total, unit);
    }
}
