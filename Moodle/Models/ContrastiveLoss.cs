using Moodle.Configuration;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Models;

/// <summary>
/// InfoNCE (van den Oord et al. 2018) with a learned temperature, computed in float32 whatever the inputs are: between two modalities of
/// one entity, and between a fused query and its fused answer with hard negatives.
/// </summary>
public sealed class ContrastiveLoss : nn.Module
{
    private const double Excluded = -1e4;
    private readonly ContrastConfig _config;
    private readonly Parameter log_temperature;

    /// <summary>Creates the loss.</summary>
    public ContrastiveLoss(ContrastConfig config) : base(nameof(ContrastiveLoss))
    {
        ArgumentNullException.ThrowIfNull(config);
        _config = config;
        log_temperature = nn.Parameter(tensor((float)Math.Log(config.Temperature)));
        RegisterComponents();
    }

    /// <summary>Two modalities of the same entities, symmetric, every other entity of the batch a negative.</summary>
    /// <param name="first">[n, hidden], of length 1.</param>
    /// <param name="second">[n, hidden], of length 1.</param>
    /// <returns>A scalar, already weighed.</returns>
    public Tensor BetweenModalities(Tensor first, Tensor second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        var logits = Similarity(first, second); // [n, n]
        var target = arange(first.shape[0], device: first.device);
        return (nn.functional.cross_entropy(logits, target) + nn.functional.cross_entropy(logits.t(), target)) * (_config.ModalityWeight / 2);
    }

    /// <summary>
    /// Fused queries and fused answers, one answer for each query. Negatives are the other queries' answers and the query's highest
    /// scored false candidates; known true answers are masked.
    /// </summary>
    /// <param name="queries">[n, hidden], of length 1.</param>
    /// <param name="candidates">[|E|, hidden], of length 1.</param>
    /// <param name="answers">int64 [n]: the answer of each query.</param>
    /// <param name="known">bool [n, |E|]: known true answers of each query.</param>
    /// <param name="scores">Final scores [n, |E|], for choosing hard negatives.</param>
    /// <returns>A scalar, already weighed.</returns>
    public Tensor BetweenQueriesAndAnswers(Tensor queries, Tensor candidates, Tensor answers, Tensor known, Tensor scores)
    {
        ArgumentNullException.ThrowIfNull(queries);
        ArgumentNullException.ThrowIfNull(candidates);
        ArgumentNullException.ThrowIfNull(known);
        ArgumentNullException.ThrowIfNull(scores);
        var golds = candidates.index_select(0, answers); // [n, hidden]
        var same = known.index_select(1, answers); // [n, n]: the other's answer is one of mine
        var positive = eye(queries.shape[0], dtype: ScalarType.Bool, device: queries.device);
        var inBatch = Similarity(queries, golds); // [n, n]
        var forward = inBatch.masked_fill(same.logical_and(positive.logical_not()), Excluded);
        // A query is a false negative of an answer under the same rule, read by columns.
        var backward = inBatch.t().masked_fill(same.t().logical_and(positive.logical_not()), Excluded);
        if (_config.HardNegatives > 0)
        {
            var count = (int)Math.Min(_config.HardNegatives, scores.shape[1] - 1);
            var (_, hard) = scores.detach().masked_fill(known, float.NegativeInfinity).topk(count, 1); // [n, hard]
            var vectors = candidates.index_select(0, hard.reshape(-1)).view(queries.shape[0], count, candidates.shape[1]); // [n, hard, hidden]
            var similarity = bmm(vectors.to(ScalarType.Float32), queries.to(ScalarType.Float32).unsqueeze(2)).squeeze(2) / Temperature();
            forward = cat([forward, similarity.masked_fill(known.gather(1, hard), Excluded)], 1); // [n, n + hard]
        }

        var target = arange(queries.shape[0], device: queries.device);
        return (nn.functional.cross_entropy(forward, target) + nn.functional.cross_entropy(backward, target)) * (_config.QueryWeight / 2);
    }

    private Tensor Similarity(Tensor first, Tensor second) =>
        first.to(ScalarType.Float32).mm(second.to(ScalarType.Float32).t()) / Temperature();

    private Tensor Temperature() => log_temperature.clamp(Math.Log(0.005), 0).exp();
}
