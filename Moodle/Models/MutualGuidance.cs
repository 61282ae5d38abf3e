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
    private const double SmallestRest = 1e-6;
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

    /// <summary>The guidance of every student, averaged over the batch's triples, and its gradient: all in closed form, outside of autograd.</summary>
    /// <param name="outputs">All branches' outputs.</param>
    /// <param name="batch">The queries.</param>
    /// <param name="strength">λ.</param>
    /// <returns>For each branch as student a scalar, and the gradient of its logits, [queries, |E|]; teachers get none.</returns>
    public (Tensor[] Losses, Tensor[] Gradients) Guide(IReadOnlyList<BranchOutput> outputs, QueryBatch batch, double strength)
    {
        ArgumentNullException.ThrowIfNull(outputs);
        ArgumentNullException.ThrowIfNull(batch);
        using var none = no_grad();
        var scale = strength * _config.Temperature * _config.Temperature / batch.TotalWeight;
        Tensor Weight(int teacher, int student) =>
            batch.Weights * outputs[teacher].Available * outputs[student].Available * Trust(teacher, student, batch.Relations) * scale; // [queries]
        return outputs[0].Logits.shape[1] <= _config.ExactEntities ? Exact(outputs, Weight) : TopK(outputs, Weight);
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

    private IEnumerable<int> TeachersOf(int student) => Enumerable.Range(0, _branches).Where(teacher => teacher != student);

    private (Tensor[] Losses, Tensor[] Gradients) Exact(IReadOnlyList<BranchOutput> outputs, Func<int, int, Tensor> weight)
    {
        var logs = outputs.Select(output => nn.functional.log_softmax(output.Logits / _config.Temperature, 1)).ToArray(); // [queries, |E|]
        var probabilities = Array.ConvertAll(logs, log => log.exp());
        var (losses, gradients) = (new Tensor[_branches], new Tensor[_branches]);
        for (var student = 0; student < _branches; student++)
        {
            var (terms, pulls) = (new List<Tensor>(), zeros_like(logs[student]));
            var all = zeros(logs[student].shape[0], 1, device: pulls.device);
            foreach (var teacher in TeachersOf(student))
            {
                var share = weight(teacher, student).unsqueeze(1); // [queries, 1]
                terms.Add((probabilities[teacher] * (logs[teacher] - logs[student])).sum(1).dot(share.squeeze(1)));
                pulls.addcmul_(probabilities[teacher], share, 1);
                all = all + share;
            }

            // Σ_n w_n (q − p_n) / τ
            losses[student] = stack(terms).sum();
            gradients[student] = pulls.neg_().addcmul_(probabilities[student], all, 1).div_(_config.Temperature);
        }

        return (losses, gradients);
    }

    // Over the teacher's best candidates and one lump of all others: by the data-processing inequality never above the exact
    // divergence, and 0 only where the student gives these candidates what the teacher gives them.
    private (Tensor[] Losses, Tensor[] Gradients) TopK(IReadOnlyList<BranchOutput> outputs, Func<int, int, Tensor> weight)
    {
        var softened = outputs.Select(output => output.Logits / _config.Temperature).ToArray(); // [queries, |E|]
        var sums = Array.ConvertAll(softened, x => x.logsumexp(1, keepdim: true)); // [queries, 1]
        var teachers = softened.Select((x, m) =>
        {
            var (best, places) = x.topk((int)Math.Min(_config.TopK, x.shape[1]), 1); // [queries, k]
            var p = (best - sums[m]).exp();
            return (P: p, LogP: p.clamp_min(1e-20).log(), RestP: (1 - p.sum(1)).clamp_min(SmallestRest), Places: places);
        }).ToArray();
        var (losses, gradients) = (new Tensor[_branches], new Tensor[_branches]);
        for (var student = 0; student < _branches; student++)
        {
            var (terms, pulls) = (new List<Tensor>(), new List<(Tensor Places, Tensor Values)>());
            var all = zeros_like(sums[student]); // [queries, 1]
            foreach (var teacher in TeachersOf(student))
            {
                var (p, logP, restP, places) = teachers[teacher];
                var share = weight(teacher, student); // [queries]
                var logQ = softened[student].gather(1, places) - sums[student]; // [queries, k]
                var q = logQ.exp();
                var left = 1 - q.sum(1);
                var restQ = left.clamp_min(SmallestRest); // [queries]
                terms.Add(((p * (logP - logQ)).sum(1) + (restP * (restP.log() - restQ.log()))).dot(share));
                // By log q of each place: what the lump gives up goes to the places.
                var ratio = where(left.gt(SmallestRest), restP / restQ, zeros_like(restQ)).unsqueeze(1);
                var values = ((q * ratio) - p) * share.unsqueeze(1); // [queries, k]
                pulls.Add((places, values));
                all = all + values.sum(1, keepdim: true);
            }

            // A log q falls everywhere by what the normaliser takes.
            var gradient = softened[student].sub_(sums[student]).exp_().mul_(-all);
            foreach (var (places, values) in pulls)
            {
                gradient.scatter_add_(1, places, values);
            }

            (losses[student], gradients[student]) = (stack(terms).sum(), gradient.div_(_config.Temperature));
        }

        return (losses, gradients);
    }
}
