using Moodle.Configuration;
using Moodle.Models.Cuda;
using Moodle.Models.Scorers;
using static TorchSharp.torch;

namespace Moodle.Models;

/// <summary>One modality's own model: entity vectors, relation parameters and scorer.</summary>
public sealed class Branch : nn.Module
{
    private readonly BranchConfig _config;
    private readonly Scorer scorer;
    private readonly EntityTable entities;
    private readonly LoopBias loops;

    /// <summary>Creates a branch; features are null for the structure branch.</summary>
    public Branch(Modality modality, BranchConfig config, int entityCount, int relationCount, EntityFeatures? features) : base(nameof(Branch))
    {
        ArgumentNullException.ThrowIfNull(config);
        (Modality, _config) = (modality, config);
        scorer = Scorer.Create(config, relationCount);
        entities = features is null
            ? new FreeEntityTable(scorer, entityCount, config.InitScale)
            : new FeatureEntityTable(scorer, features, config.InitScale);
        loops = new LoopBias(relationCount);
        RegisterComponents();
    }

    /// <summary>The modality.</summary>
    public Modality Modality { get; }

    /// <summary>Length of entity and query vectors.</summary>
    public int Size => scorer.EntitySize;

    /// <summary>Whether relation prediction has something to add to the loss.</summary>
    public bool PredictsRelations => _config.RelationWeight > 0 && scorer.ScoresRelations;

    /// <summary>float32 [|E|], 1 for an entity that has the modality.</summary>
    public Tensor Available => entities.Available;

    /// <summary>Vectors of all entities as candidates: [|E|, size].</summary>
    public Tensor Candidates() => entities.Candidates();

    /// <summary>Queries and logits of a batch.</summary>
    /// <param name="candidates">What <see cref="Candidates"/> returned in this step: [|E|, size].</param>
    /// <param name="heads">int64 [queries].</param>
    /// <param name="relations">int64 [queries], 0 to 2|R|-1.</param>
    public BranchOutput Forward(Tensor candidates, Tensor heads, Tensor relations)
    {
        ArgumentNullException.ThrowIfNull(candidates);
        var vectors = entities.AsHeads(candidates.index_select(0, heads), heads); // [queries, size]
        var queries = Query(vectors, relations);
        var logits = loops.Add(scorer.Score(queries, candidates), heads, relations);
        return new BranchOutput(heads, vectors, queries, logits, Available.index_select(0, heads));
    }

    /// <summary>Queries of a batch without their logits, as <see cref="Forward"/> makes them.</summary>
    /// <param name="candidates">What <see cref="Candidates"/> returned: [|E|, size].</param>
    /// <param name="heads">int64 [queries].</param>
    /// <param name="relations">int64 [queries], 0 to 2|R|-1.</param>
    /// <returns>[queries, size].</returns>
    public Tensor Queries(Tensor candidates, Tensor heads, Tensor relations)
    {
        ArgumentNullException.ThrowIfNull(candidates);
        return Query(entities.AsHeads(candidates.index_select(0, heads), heads), relations);
    }

    /// <summary>A step of 1-vs-all training.</summary>
    /// <param name="candidates">What <see cref="Candidates"/> returned in this step: [|E|, size].</param>
    /// <param name="batch">Queries with their answers.</param>
    /// <param name="smoothing">Label smoothing.</param>
    public BranchStep Train(Tensor candidates, QueryBatch batch, double smoothing)
    {
        ArgumentNullException.ThrowIfNull(candidates);
        ArgumentNullException.ThrowIfNull(batch);
        var biases = loops.Of(batch.Relations); // [queries]
        if (scorer is ComplEx complex && TrainingKernels.For(candidates.device) is { } kernels)
        {
            return new ComplExStep(kernels, _config, complex, entities, candidates, biases, batch, smoothing, training);
        }

        // Both ends at once: the gradient of a gather is as large as the table.
        var ends = candidates.index_select(0, cat([batch.Heads, batch.Answers], 0)); // [queries + answers, size]
        var vectors = entities.AsHeads(ends.narrow(0, 0, batch.Count), batch.Heads); // [queries, size]
        var tails = ends.narrow(0, batch.Count, batch.Answers.shape[0]); // [answers, size]
        return new RecordedStep(
            scorer, vectors, Query(vectors, batch.Relations), candidates, biases, Available.index_select(0, batch.Heads), batch, smoothing,
            Regularise(vectors, tails, batch), PredictRelations(vectors, tails, batch));
    }

    private Tensor Query(Tensor vectors, Tensor relations)
    {
        var queries = scorer.Query(vectors, relations); // [queries, size]
        return training && _config.Dropout > 0 ? nn.functional.dropout(queries, _config.Dropout, true) : queries;
    }

    // Relation prediction (Chen et al. 2021): the cross-entropy of each triple's relation among all relations and reciprocals, given its two ends.
    private Tensor? PredictRelations(Tensor vectors, Tensor tails, QueryBatch batch)
    {
        if (!PredictsRelations)
        {
            return null;
        }

        var logits = scorer.ScoreRelations(vectors.index_select(0, batch.AnswerRows), tails); // [answers, 2|R|]
        var each = nn.functional.cross_entropy(logits, batch.Relations.index_select(0, batch.AnswerRows), reduction: nn.Reduction.None); // [answers]
        return (each * batch.AnswerWeights).sum() * (_config.RelationWeight / batch.TotalWeight);
    }

    // N3 (Lacroix et al. 2018): each training triple counts its head, relation and tail once, as if it had a row of its own.
    private Tensor? Regularise(Tensor vectors, Tensor tails, QueryBatch batch)
    {
        if (_config.N3 == 0 || scorer.EntityNorm(vectors) is not { } heads || scorer.RelationNorm(batch.Relations) is not { } relations)
        {
            return null;
        }

        return (((heads + relations) * batch.Weights).sum() + (scorer.EntityNorm(tails)! * batch.AnswerWeights).sum()) * (_config.N3 / batch.TotalWeight);
    }
}

/// <summary>What a branch says to a batch of queries.</summary>
/// <param name="Heads">int64 [queries]: the known ends.</param>
/// <param name="Vectors">[queries, size]: their vectors.</param>
/// <param name="Queries">[queries, size].</param>
/// <param name="Logits">[queries, |E|].</param>
/// <param name="Available">float32 [queries], 0 where the known end lacks the modality.</param>
public sealed record BranchOutput(Tensor Heads, Tensor Vectors, Tensor Queries, Tensor Logits, Tensor Available)
{
    /// <summary>The same without gradients.</summary>
    public BranchOutput Detach() => this with { Vectors = Vectors.detach(), Queries = Queries.detach(), Logits = Logits.detach() };
}
