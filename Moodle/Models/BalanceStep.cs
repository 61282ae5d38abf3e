using static TorchSharp.torch;

namespace Moodle.Models;

/// <summary>
/// One training step of the balance. Autograd records what leads to the weights and, through the gate, to the fused queries; all that is as large as
/// [queries, |E|] lies outside: the gradient of a weight is the dot product of the weighed logits and the gradient of their sum.
/// </summary>
public sealed class BalanceStep
{
    private const float Excluded = -1e4f;
    private readonly Tensor[] _parts;
    private readonly Tensor _weights;
    private readonly Tensor _queries;
    private readonly Tensor _candidates;
    private readonly OneVsAllGradient _gradient;
    private readonly double _totalWeight;

    internal BalanceStep(Tensor[] logits, Tensor weights, Tensor queries, Tensor candidates, Tensor loops, QueryBatch batch, Tensor excluded)
    {
        (_weights, _queries, _candidates, _totalWeight) = (weights, queries, candidates, batch.TotalWeight);
        using var none = no_grad();
        var fused = queries.detach().mm(candidates.t()); // [queries, |E|]
        fused.scatter_add_(1, batch.Heads.unsqueeze(1), loops.unsqueeze(1));
        _parts = [.. logits, fused];
        var shares = weights.detach();
        var sum = _parts[0] * shares.narrow(1, 0, 1);
        for (var part = 1; part < _parts.Length; part++)
        {
            sum.addcmul_(_parts[part], shares.narrow(1, part, 1), 1);
        }

        _gradient = new OneVsAllGradient(sum.masked_fill_(excluded, Excluded), candidates.shape[0], batch, 0);
    }

    /// <summary>Cross-entropy of each query, summed over its triples: [queries], without gradients.</summary>
    public Tensor Losses => _gradient.Losses;

    /// <summary>Where autograd goes on, and the gradients there of the mean of all losses over the batch's triples. Asked once: the logits' memory is used.</summary>
    public (Tensor Root, Tensor Gradient)[] Roots()
    {
        using var none = no_grad();
        var gradient = _gradient.Of(full([], 1 / _totalWeight, device: _weights.device), null, keepLogits: false); // [queries, |E|]
        var weights = new Tensor[_parts.Length];
        for (var part = 0; part < _parts.Length; part++)
        {
            using var scope = NewDisposeScope();
            weights[part] = (gradient * _parts[part]).sum(1).MoveToOuterDisposeScope();
        }

        var fused = gradient.mm(_candidates) * _weights.detach().narrow(1, _parts.Length - 1, 1); // [queries, hidden]
        return [(_weights, stack(weights, 1)), (_queries, fused)];
    }
}
