using Moodle.Configuration;
using Moodle.Graphs;
using Moodle.Models;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>
/// What the fused vectors learn: to answer training triples as a predictor of its own, from the branches' vectors, with contrastive losses
/// beside the cross-entropy. What is drawn at random for an epoch is drawn before it and goes to the device at once.
/// </summary>
internal sealed class FusedVectorTask : IDisposable
{
    private const int ContrastedEntities = 512;
    private readonly MoodleConfig _config;
    private readonly MultimodalModel _model;
    private readonly Fusion _fusion;
    private readonly TrainingQueries _queries;
    private readonly Device _device;
    private readonly Tensor[] _available;
    private readonly (int A, int B)[] _pairs;
    private readonly bool[][] _haveBoth;
    private readonly List<Draw> _draws = [];
    private readonly AnswerMask? _known;
    private Tensor? _drawn;

    // Of one batch: where its drawn answers begin, how many there are, and for every pair of modalities how many contrasted entities follow.
    private sealed record Draw(int First, int Answers, int[] Contrasted);

    /// <summary>Prepares the task.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="model">The model.</param>
    /// <param name="fusion">Its fusion.</param>
    /// <param name="queries">Queries of the triples that the branches learn: a held-out answer among them would tell the balance to trust the fused score.</param>
    /// <param name="device">Where the model is.</param>
    public FusedVectorTask(MoodleConfig config, MultimodalModel model, Fusion fusion, TrainingQueries queries, Device device)
    {
        (_config, _model, _fusion, _queries, _device) = (config, model, fusion, queries, device);
        _available = [.. model.Branches.Select(branch => branch.Available)];
        Optimizer = OptimizerFactory.Create(config.Training.Fusion.Optimizer, model.FusedVectorParameters());
        LossNames = model.Contrast is null ? ["fused"] : ["fused", "contrast_modalities", "contrast_queries"];
        _known = model.Contrast is null ? null : new AnswerMask(queries, null, model.EntityCount, device);
        _pairs = [.. from a in Enumerable.Range(0, _available.Length) from b in Enumerable.Range(a + 1, _available.Length - a - 1) select (a, b)];
        var has = Array.ConvertAll(_available, available =>
        {
            using var numbers = available.cpu();
            return Array.ConvertAll(numbers.data<float>().ToArray(), number => number > 0.5f);
        });
        _haveBoth = Array.ConvertAll(_pairs, pair => has[pair.A].Zip(has[pair.B], (a, b) => a && b).ToArray());
    }

    /// <summary>The optimizer of the fused vectors; the stage that has the task disposes of it.</summary>
    public ParameterOptimizer Optimizer { get; }

    /// <summary>Names of the terms that <see cref="Step"/> returns.</summary>
    public IReadOnlyList<string> LossNames { get; }

    /// <summary>Draws what the contrastive losses of an epoch need, for each step from its own stream.</summary>
    /// <param name="epoch">Complete epochs before it.</param>
    /// <param name="batches">Its batches.</param>
    public void BeginEpoch(int epoch, QueryBatches batches)
    {
        if (_known is null)
        {
            return;
        }

        _draws.Clear();
        _drawn?.Dispose();
        var numbers = new List<long>();
        var (seen, entities) = (new HashSet<int>(), new List<int>());
        for (var step = 0; step < batches.Count; step++)
        {
            var random = SplitMix64.ForStream((ulong)_config.Seed, ((ulong)epoch << 32) | (uint)step);
            var (first, queries) = (numbers.Count, batches.QueriesOf(step));
            foreach (var query in queries)
            {
                var answers = _queries.Answers(query);
                numbers.Add(answers[random.NextInt(answers.Length)]);
            }

            seen.Clear();
            seen.UnionWith(batches.EntitiesOf(step));
            _draws.Add(new Draw(first, queries.Length, Array.ConvertAll(_haveBoth, both =>
            {
                entities.Clear();
                entities.AddRange(seen.Where(entity => both[entity]));
                var count = Math.Min(entities.Count, ContrastedEntities);
                if (count < entities.Count)
                {
                    random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(entities));
                }

                numbers.AddRange(entities.Take(count).Select(entity => (long)entity));
                return count;
            })));
        }

        _drawn = tensor(numbers.ToArray(), device: _device).DetachFromDisposeScope();
    }

    /// <summary>Learns from one batch; the branches get no gradient.</summary>
    /// <param name="batches">The epoch's batches.</param>
    /// <param name="step">Which of them.</param>
    /// <param name="directions">Per branch the <see cref="Fusion.Directions"/> of its candidates, detached: [|E|, size].</param>
    /// <param name="input">What the branches say, detached.</param>
    /// <returns>Scalars, as <see cref="LossNames"/> names them.</returns>
    public Tensor[] Step(QueryBatches batches, int step, IReadOnlyList<Tensor> directions, FusionInput input)
    {
        Optimizer.ZeroGrad();
        var batch = batches.Get(step, _device);
        var fusedCandidates = _fusion.Candidates(directions, _available); // [|E|, hidden]
        var (queries, fused) = _fusion.Train(input, fusedCandidates, batch, _config.Training.LabelSmoothing);
        Tensor[] terms = [fused.Losses.sum() / batch.TotalWeight], contrasts = [];
        if (_model.Contrast is { } contrast)
        {
            var draw = _draws[step];
            contrasts =
            [
                BetweenModalities(contrast, directions, draw),
                contrast.BetweenQueriesAndAnswers(queries, fusedCandidates, _drawn!.narrow(0, draw.First, draw.Answers),
                    _known!.Of(batches.QueriesOf(step), batches.QueriesOf(step, _device)), fused.Output.Logits),
            ];
        }

        (Tensor Root, Tensor Gradient)[] roots =
        [
            .. fused.Roots(ones([], device: _device), null),
            .. contrasts.Where(term => term.requires_grad).Select(term => (term, ones_like(term))),
        ];
        Gradients.Backward(roots);
        if (_config.Training.ClipNorm > 0)
        {
            using var norm = Gradients.ClipNorm(_model.FusedVectorParameters().Select(entry => entry.Parameter), _config.Training.ClipNorm);
        }

        Optimizer.Step(_config.Training.Fusion.LearningRate);
        return [.. terms, .. contrasts];
    }

    // Every pair of modalities, over those of the batch's entities that have both.
    private Tensor BetweenModalities(ContrastiveLoss contrast, IReadOnlyList<Tensor> directions, Draw draw)
    {
        var terms = new List<Tensor>();
        var first = draw.First + draw.Answers;
        for (var pair = 0; pair < _pairs.Length; pair++)
        {
            if (draw.Contrasted[pair] > 1)
            {
                var shared = _drawn!.narrow(0, first, draw.Contrasted[pair]);
                Tensor Project(int branch) => _fusion.Project(branch, directions[branch].index_select(0, shared));
                terms.Add(contrast.BetweenModalities(Project(_pairs[pair].A), Project(_pairs[pair].B)));
            }

            first += draw.Contrasted[pair];
        }

        return terms.Count == 0 ? zeros([], device: _device) : stack(terms).mean();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _known?.Dispose();
        _drawn?.Dispose();
    }
}
