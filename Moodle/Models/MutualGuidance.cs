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
        var softened = stack(outputs.Select(output => output.Logits)).div_(_config.Temperature); // [branches, queries, |E|]
        var shares = Shares(stack(outputs.Select(output => output.Available)), batch, strength * _config.Temperature * _config.Temperature / batch.TotalWeight);
        var (losses, gradients) = softened.shape[2] <= _config.ExactEntities ? Exact(softened, shares) : TopK(softened, shares);
        return (losses.unbind(), gradients.div_(_config.Temperature).unbind());
    }

    /// <summary>w_{teacher→student} as it stands, a mean over relations.</summary>
    /// <param name="weights">How much each relation counts: float32 [2|R|], not all 0.</param>
    /// <returns>float32 on the CPU [teachers, students]; the diagonal says nothing.</returns>
    public Tensor MeanTrust(Tensor weights)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var share = weights / weights.sum(); // [2|R|]
        var trust = Trust(); // [teachers, students, 2|R|]
        return (trust * share).sum(2).cpu().MoveToOuterDisposeScope();
    }

    // w_{teacher→student} for each relation: [teachers, students, 2|R|], from 0 to 1.
    private Tensor Trust() => _config.RelationAware
        ? (Recorded.unsqueeze(0) - Recorded.unsqueeze(1)).sigmoid()
        : full([_branches, _branches, Recorded.shape[1]], 0.5, device: Recorded.device);

    // How much each query's divergence counts: [teachers, students, queries], nothing where a branch lacks the modality or would teach itself.
    private Tensor Shares(Tensor available, QueryBatch batch, double scale) =>
        Trust().index_select(2, batch.Relations) * available.unsqueeze(1) * available * (batch.Weights * scale)
        * (1 - eye(_branches, device: available.device)).unsqueeze(2);

    // Softened logits [branches, queries, |E|] and shares to each student's loss [branches] and, but for 1/τ, gradient [branches, queries, |E|].
    private static (Tensor Losses, Tensor Gradients) Exact(Tensor softened, Tensor shares)
    {
        var logs = nn.functional.log_softmax(softened, 2).unbind();
        var probabilities = Array.ConvertAll(logs, log => log.exp());
        var (losses, gradients) = (new Tensor[logs.Length], new Tensor[logs.Length]);
        for (var student = 0; student < logs.Length; student++)
        {
            var (terms, pulls) = (new List<Tensor>(), zeros_like(logs[student]));
            for (var teacher = 0; teacher < logs.Length; teacher++)
            {
                if (teacher != student)
                {
                    var share = shares[teacher, student]; // [queries]
                    terms.Add((probabilities[teacher] * (logs[teacher] - logs[student])).sum(1).dot(share));
                    pulls.addcmul_(probabilities[teacher], share.unsqueeze(1), 1);
                }
            }

            // Σ_n w_n (q − p_n)
            losses[student] = stack(terms).sum();
            gradients[student] = pulls.neg_().addcmul_(probabilities[student], shares.select(1, student).sum([0L]).unsqueeze(1), 1);
        }

        return (stack(losses), stack(gradients));
    }

    // Over the teacher's best candidates and one lump of all others: by the data-processing inequality never above the exact
    // divergence, and 0 only where the student gives these candidates what the teacher gives them. All students and teachers at once: pair by pair these were
    // some 250 operations for three branches, counted, each of which a GPU takes a launch for.
    private (Tensor Losses, Tensor Gradients) TopK(Tensor softened, Tensor shares)
    {
        var (branches, queries) = (softened.shape[0], softened.shape[1]);
        var sums = softened.logsumexp(2, keepdim: true); // [branches, queries, 1]
        var k = Math.Min(_config.TopK, softened.shape[2]);
        var (best, places) = softened.topk((int)k, 2); // [teachers, queries, k]
        var p = (best - sums).exp();
        var logP = p.clamp_min(1e-20).log();
        var restP = (1 - p.sum([2L])).clamp_min(SmallestRest); // [teachers, queries]

        // Every student at every teacher's places: [students, queries, teachers · k], then [students, teachers, queries, k].
        var wanted = places.transpose(0, 1).reshape(1, queries, branches * k).expand(branches, -1, -1);
        var logQ = (softened.gather(2, wanted) - sums).view(branches, queries, branches, k).transpose(1, 2);
        var q = logQ.exp();
        var left = 1 - q.sum([3L]); // [students, teachers, queries]
        var restQ = left.clamp_min(SmallestRest);
        var share = shares.transpose(0, 1); // [students, teachers, queries]
        var terms = (p * (logP - logQ)).sum([3L]) + (restP * (restP.log() - restQ.log()));
        var losses = (terms * share).sum([1L, 2L]); // [students]

        // By log q of each place: what the lump gives up goes to the places. A log q falls everywhere by what the normaliser takes.
        var ratio = where(left.gt(SmallestRest), restP / restQ, 0).unsqueeze(3);
        var values = ((q * ratio) - p) * share.unsqueeze(3); // [students, teachers, queries, k]
        var all = values.sum([1L, 3L]).unsqueeze(2); // [students, queries, 1]
        var gradients = softened.sub_(sums).exp_().mul_(-all);
        return (losses, gradients.scatter_add_(2, wanted, values.transpose(1, 2).reshape(branches, queries, branches * k)));
    }
}
