using Moodle.Runtime;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Encoders;

/// <summary>
/// Trains an encoder on triples: the encoded head, changed by the relation, must point at the tail among the entities of the batch.
/// An entity that lacks the modality stands as an answer by a learned vector of its own, and never asks.
/// </summary>
/// <typeparam name="TEncoder">The encoder's type.</typeparam>
public sealed class BiEncoder<TEncoder> : nn.Module
    where TEncoder : nn.Module, IEntityEncoder
{
    private readonly TEncoder encoder;
    private readonly Parameter relation_scale;
    private readonly Parameter relation_shift;
    private readonly Parameter answers;
    private readonly Parameter log_temperature;

    /// <summary>Joins an encoder with random relation parameters from torch's generator.</summary>
    /// <param name="encoder">The encoder.</param>
    /// <param name="entityCount">|E|.</param>
    /// <param name="relationCount">|R|, without reciprocals.</param>
    /// <param name="temperature">Initial temperature of the softmax over the batch.</param>
    public BiEncoder(TEncoder encoder, int entityCount, int relationCount, double temperature) : base(nameof(BiEncoder<TEncoder>))
    {
        ArgumentNullException.ThrowIfNull(encoder);
        this.encoder = encoder;
        relation_scale = nn.Parameter(ones(2L * relationCount, encoder.FeatureSize));
        // Twice as long as the encoded head: a question begins by asking for a kind of entity and learns to ask for this one's.
        relation_shift = nn.Parameter(randn(2L * relationCount, encoder.FeatureSize).mul_(2));
        // Small: only their direction counts, and small vectors turn sooner.
        answers = nn.Parameter(randn(entityCount, encoder.FeatureSize).mul_(0.05));
        log_temperature = nn.Parameter(tensor((float)Math.Log(temperature)));
        RegisterComponents();
    }

    /// <summary>The encoder that is trained.</summary>
    public TEncoder Encoder => encoder;

    /// <summary>InfoNCE over the batch's entities; other true answers of a query are no negatives of it.</summary>
    /// <param name="batch">The batch.</param>
    /// <returns>A scalar: the mean over the batch's (query, answer) pairs.</returns>
    public Tensor Loss(EncoderBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        var device = answers.device;
        long[][] parts = [batch.Lacking, batch.QueryHeads, batch.QueryRelations, batch.PairQueries, batch.PairAnswers];
        var ids = tensor(parts.SelectMany(part => part).ToArray()).Upload(device).split(Array.ConvertAll(parts, part => (long)part.Length)); // at once: each upload takes the host's time
        var (lacking, queryHeads, relations, pairRows, pairAnswers) = (ids[0], ids[1], ids[2], ids[3], ids[4]);
        var encoded = encoder.Encode(batch.Encoded); // [encoded, d]
        var candidates = batch.Lacking.Length == 0 ? encoded : cat([encoded, answers.index_select(0, lacking)], 0); // [candidates, d]
        candidates = nn.functional.normalize(candidates, dim: 1);

        var heads = nn.functional.normalize(encoded.index_select(0, queryHeads), dim: 1) * Math.Sqrt(encoder.FeatureSize);
        var queries = (heads * relation_scale.index_select(0, relations)) + relation_shift.index_select(0, relations);
        var temperature = log_temperature.clamp(Math.Log(0.005), 0).exp();
        var logits = nn.functional.normalize(queries, dim: 1).matmul(candidates.t()) / temperature; // [queries, candidates]

        // An entity is no answer to a question about itself, and by far the most alike.
        logits = logits.scatter(1, queryHeads.unsqueeze(1), full(logits.shape[0], 1, -1e4f, device: device));
        var positions = (pairRows * candidates.shape[0]) + pairAnswers;
        var gold = logits.reshape(-1).index_select(0, positions); // [pairs]
        var isAnswer = zeros(logits.shape[0] * logits.shape[1], dtype: ScalarType.Bool, device: device).index_fill_(0, positions, true).view_as(logits);
        var negatives = logits.masked_fill(isAnswer, -1e4).logsumexp(1).index_select(0, pairRows); // [pairs]
        return nn.functional.softplus(negatives - gold).mean();
    }
}

/// <summary>A batch of entities and the training facts among them. Candidates are the encoded entities, then the lacking ones.</summary>
/// <param name="Encoded">Entities that have the modality.</param>
/// <param name="Lacking">Entities that lack it.</param>
/// <param name="QueryHeads">For each query the position of its head among the encoded.</param>
/// <param name="QueryRelations">For each query its relation, 0 to 2|R|-1.</param>
/// <param name="PairQueries">For each (query, answer) pair the query.</param>
/// <param name="PairAnswers">For each pair the answer's position among the candidates.</param>
public sealed record EncoderBatch(
    int[] Encoded, long[] Lacking, long[] QueryHeads, long[] QueryRelations, long[] PairQueries, long[] PairAnswers);
