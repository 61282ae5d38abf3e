using Moodle.Configuration;
using static TorchSharp.torch;

namespace Moodle.Models;

/// <summary>
/// Branches as each other's teachers: λ · Σ_{n≠m} w_{n→m} · τ² · KL(stopgrad p_n^{1/τ} ‖ p_m^{1/τ}). w_{n→m} is near 1 where teacher n has
/// lately answered the query's relation better than student m, near 0 where it has answered worse, so that a weak modality does not
/// drag a strong one down. A branch neither teaches nor learns where the query's known end lacks its modality.
/// </summary>
public sealed class MutualGuidance : nn.Module
{
    private const double Momentum = 0.9;
    private readonly GuidanceConfig _config;
    private readonly int _branches;

    /// <summary>Creates the guidance with an empty record of how well branches answer.</summary>
    public MutualGuidance(GuidanceConfig config, int branches, int relationCount) : base(nameof(MutualGuidance))
    {
        (_config, _branches) = (config, branches);
        // Running mean cross-entropy of each branch on each relation; part of the state, since it decides w.
        register_buffer("losses", zeros(branches, 2L * relationCount));
        RegisterComponents();
    }

    private Tensor Recorded => get_buffer("losses")!;

    /// <summary>Updates the running record with this batch's losses.</summary>
    /// <param name="losses">Per branch the cross-entropy of each query, [queries], summed over its triples.</param>
    /// <param name="batch">The queries.</param>
    public void Observe(IReadOnlyList<Tensor> losses, QueryBatch batch)
    {
        ArgumentNullException.ThrowIfNull(losses);
        ArgumentNullException.ThrowIfNull(batch);
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var weights = zeros(Recorded.shape[1], device: Recorded.device).index_add(0, batch.Relations, batch.Weights, 1); // [2|R|]
        for (var m = 0; m < _branches; m++)
        {
            var mean = zeros_like(weights).index_add(0, batch.Relations, losses[m].detach(), 1) / weights.clamp_min(1);
            var record = Recorded[m];
            var next = where(record.eq(0), mean, (record * Momentum) + (mean * (1 - Momentum)));
            record.copy_(where(weights.gt(0), next, record));
        }
    }

    /// <summary>The guidance of every student, averaged over the batch's triples.</summary>
    /// <param name="outputs">All branches' outputs.</param>
    /// <param name="batch">The queries.</param>
    /// <returns>A scalar for each branch as student, without λ.</returns>
    public Tensor[] Losses(IReadOnlyList<BranchOutput> outputs, QueryBatch batch)
    {
        ArgumentNullException.ThrowIfNull(outputs);
        ArgumentNullException.ThrowIfNull(batch);
        // What a branch says as teacher, and as student, is computed once for all others.
        Func<int, int, Tensor> divergence = outputs[0].Logits.shape[1] <= _config.ExactEntities ? Exact(outputs) : TopK(outputs);
        var scale = _config.Temperature * _config.Temperature / batch.TotalWeight;
        var losses = new Tensor[outputs.Count];
        for (var student = 0; student < outputs.Count; student++)
        {
            var terms = new List<Tensor>(outputs.Count - 1);
            for (var teacher = 0; teacher < outputs.Count; teacher++)
            {
                if (teacher != student)
                {
                    var weight = batch.Weights * outputs[teacher].Available * outputs[student].Available * Trust(teacher, student, batch.Relations); // [queries]
                    terms.Add((divergence(teacher, student) * weight).sum());
                }
            }

            losses[student] = stack(terms).sum() * scale;
        }

        return losses;
    }

    /// <summary>w_{teacher→student} as it stands, a mean over relations.</summary>
    /// <param name="weights">How much each relation counts: float32 [2|R|], not all 0.</param>
    /// <returns>float32 on the CPU [teachers, students]; the diagonal says nothing.</returns>
    public Tensor MeanTrust(Tensor weights)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var share = weights / weights.sum(); // [2|R|]
        var trust = _config.RelationAware
            ? (Recorded.unsqueeze(0) - Recorded.unsqueeze(1)).sigmoid() // [teachers, students, 2|R|]
            : full([_branches, _branches, weights.shape[0]], 0.5, device: weights.device);
        return (trust * share).sum(2).cpu().MoveToOuterDisposeScope();
    }

    /// <summary>w_{teacher→student} for each query: [queries], from 0 to 1.</summary>
    private Tensor Trust(int teacher, int student, Tensor relations)
    {
        if (!_config.RelationAware)
        {
            return full_like(relations, 0.5, dtype: ScalarType.Float32);
        }

        return (Recorded[student] - Recorded[teacher]).sigmoid().index_select(0, relations);
    }

    private Func<int, int, Tensor> Exact(IReadOnlyList<BranchOutput> outputs)
    {
        var students = outputs.Select(output => nn.functional.log_softmax(output.Logits / _config.Temperature, 1)).ToArray(); // [queries, |E|]
        var teachers = Array.ConvertAll(students, student => student.detach());
        var probabilities = Array.ConvertAll(teachers, teacher => teacher.exp());
        return (teacher, student) => (probabilities[teacher] * (teachers[teacher] - students[student])).sum(1); // [queries]
    }

    // Over the teacher's best candidates and one lump of all others: by the data-processing inequality never above the exact
    // divergence, and 0 only where the student gives these candidates what the teacher gives them.
    private Func<int, int, Tensor> TopK(IReadOnlyList<BranchOutput> outputs)
    {
        var softened = outputs.Select(output => output.Logits / _config.Temperature).ToArray(); // [queries, |E|]
        var sums = Array.ConvertAll(softened, x => x.logsumexp(1, keepdim: true)); // [queries, 1]
        var teachers = softened.Select((x, m) =>
        {
            var (best, indices) = x.detach().topk((int)Math.Min(_config.TopK, x.shape[1]), 1); // [queries, k]
            return (P: (best - sums[m].detach()).exp(), Indices: indices);
        }).ToArray();
        return (teacher, student) =>
        {
            var (p, indices) = teachers[teacher];
            var logQ = softened[student].gather(1, indices) - sums[student];
            var (restP, restQ) = ((1 - p.sum(1)).clamp_min(1e-6), (1 - logQ.exp().sum(1)).clamp_min(1e-6)); // [queries]
            return (p * (p.clamp_min(1e-20).log() - logQ)).sum(1) + (restP * (restP.log() - restQ.log()));
        };
    }
}
