using Moodle.Configuration;
using Moodle.Graphs;
using Moodle.Models;
using Moodle.Runtime;

namespace Moodle.Training;

/// <summary>A model as a run left it, with its configuration and its graph: what evaluation and prediction start from.</summary>
public sealed class TrainedModel : IDisposable
{
    private readonly MultimodalModel _model;

    private TrainedModel(MoodleConfig config, KnowledgeGraph graph, MultimodalModel model, bool untrainedFusion)
    {
        (Config, Graph, _model) = (config, graph, model);
        Scorer = new MultimodalScorer(model, untrainedFusion);
    }

    /// <summary>The run's configuration.</summary>
    public MoodleConfig Config { get; }

    /// <summary>The graph it was trained on.</summary>
    public KnowledgeGraph Graph { get; }

    /// <summary>The model, ready to score.</summary>
    public MultimodalScorer Scorer { get; }

    /// <summary>Loads a run.</summary>
    /// <param name="runPath">The run's folder.</param>
    /// <param name="checkpoint"><c>best</c>, <c>last</c>, or the path of a checkpoint's JSON file.</param>
    /// <param name="device">The device, or null for the run's own.</param>
    /// <exception cref="InputException">The run, its data or its checkpoint is missing, damaged, or does not belong together.</exception>
    public static TrainedModel Load(string runPath, string checkpoint = CheckpointFolder.Best, string? device = null)
    {
        var config = RunFolder.ReadConfig(runPath);
        var place = Devices.Parse(device ?? config.Device);
        Devices.SetThreads(config.Threads);
        var graph = RunData.Read(config.Data);
        RunVocabularies.Check(runPath, graph);
        var (own, json) = (RunFolder.CheckpointsOf(runPath), checkpoint);
        if (checkpoint is CheckpointFolder.Best or CheckpointFolder.Last)
        {
            json = own.Has(checkpoint)
                ? own.JsonPath(checkpoint)
                : throw new InputException($"{runPath}: has no '{checkpoint}' checkpoint yet, there is no model to score with; go on with 'moodle resume {runPath}'");
        }

        var (state, tensors) = CheckpointFolder.LoadFile(json);
        try
        {
            if (state.Stage is not (UnimodalStage.StageName or FusionStage.StageName or UnimodalStage.RefitName))
            {
                throw new InputException($"{json}: was saved in the stage '{state.Stage}', before there is a model to score with; continue with 'moodle resume {runPath}'");
            }

            var model = new MultimodalModel(config, graph.Entities.Count, graph.Relations.Count, FeatureBuilder.Read(runPath, config, graph.Entities.Count), place, graph.Train);
            ModuleTensors.Load(model, StageRunner.ModelPrefix,
                tensors.Where(entry => entry.Key.StartsWith(StageRunner.ModelPrefix, StringComparison.Ordinal)).ToDictionary(), json);
            return new TrainedModel(config, graph, model, untrainedFusion: state.Stage == UnimodalStage.StageName);
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
    public void Dispose()
    {
        Scorer.Dispose();
        _model.Dispose();
    }
}
