using Moodle.Configuration;
using Moodle.Models.Scorers;
using Moodle.Runtime;
using Moodle.Runtime.Cuda;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Models.Cuda;

/// <summary>
/// A training step of a ComplEx branch by kernels: queries, pairs and N3 in one launch, the gradients of both tables in another, cross-entropies in two each;
/// only the matrix products are libtorch's. An H100 takes three times as long for the same out of separate operations, most of it for their launches and for
/// reading and writing what lies between them.
/// </summary>
internal sealed class ComplExStep : BranchStep
{
    private const int Threads = 256;
    private readonly CudaModule _kernels;
    private readonly EntityTable _table;
    private readonly Parameter _relations;
    private readonly Tensor _candidates;
    private readonly Tensor _loops;
    private readonly QueryBatch _batch;
    private readonly double _n3;
    private readonly double _relationWeight;
    private readonly Tensor? _kept;
    private readonly Tensor _queries;
    private readonly Tensor _padded;
    private readonly Tensor _logits;
    private readonly KernelCrossEntropy _entropy;
    private readonly Tensor? _pairs;
    private readonly Tensor? _paddedRelations;
    private readonly KernelCrossEntropy? _relationEntropy;
    private BranchOutput? _output;

    /// <summary>Takes the step as far as the losses.</summary>
    /// <param name="kernels">The compiled kernels.</param>
    /// <param name="config">What regularises the branch.</param>
    /// <param name="scorer">The scorer.</param>
    /// <param name="table">The branch's entities.</param>
    /// <param name="candidates">Their vectors, recorded: [|E|, size].</param>
    /// <param name="loops">What the logit of a query's own entity gets, recorded: [queries].</param>
    /// <param name="batch">Queries with their answers.</param>
    /// <param name="smoothing">Label smoothing.</param>
    /// <param name="training">Whether there is dropout.</param>
    public ComplExStep(
        CudaModule kernels, BranchConfig config, ComplEx scorer, EntityTable table, Tensor candidates, Tensor loops, QueryBatch batch, double smoothing, bool training)
    {
        using var none = no_grad();
        (_kernels, _table, _relations, _candidates, _loops, _batch) = (kernels, table, scorer.Relations, candidates, loops, batch);
        (_n3, _relationWeight) = (config.N3, config.RelationWeight);
        var device = candidates.device;
        var (rows, size) = (batch.Count, candidates.shape[1]);
        Tensor Numbers(params long[] shape) => empty(shape, device: device);
        _queries = Numbers(rows, size);
        _pairs = _relationWeight > 0 ? Numbers(batch.Answers.shape[0], size) : null;
        var norm = zeros([], device: device);
        kernels.Launch(Of("complex_forward"), (rows, 1), Threads, 0, Addresses(), _queries.Address(), _pairs?.Address() ?? 0, norm.Address());
        Norm = _n3 > 0 ? norm * (_n3 / batch.TotalWeight) : null;
        if (training && config.Dropout > 0)
        {
            _kept = nn.functional.dropout(ones_like(_queries), config.Dropout, true);
            _queries = _queries * _kept;
        }

        (_padded, var logits) = Multiply(_queries, candidates.detach());
        logits.scatter_add_(1, batch.Heads.unsqueeze(1), loops.detach().unsqueeze(1));
        _entropy = new KernelCrossEntropy(kernels, logits, candidates.shape[0], batch, smoothing);
        _logits = logits.narrow(1, 0, candidates.shape[0]);
        if (_pairs is not null)
        {
            // Every answer asks for its relation.
            var asked = batch with
            {
                Weights = batch.AnswerWeights,
                AnswerRows = arange(batch.Answers.shape[0], device: device),
                Answers = batch.Relations.index_select(0, batch.AnswerRows),
                Heads = batch.Answers,
            };
            (_paddedRelations, var scores) = Multiply(_pairs, _relations.detach()); // [answers, 2|R|]
            _relationEntropy = new KernelCrossEntropy(kernels, scores, _relations.shape[0], asked, 0);
            Relations = _relationEntropy.Losses.sum() * (_relationWeight / batch.TotalWeight);
        }
    }

    /// <inheritdoc/>
    public override BranchOutput Output => _output ??= Answer(); // nobody asks a branch that is alone

    /// <inheritdoc/>
    public override Tensor Losses => _entropy.Losses;

    /// <inheritdoc/>
    public override Tensor? Norm { get; }

    /// <inheritdoc/>
    public override Tensor? Relations { get; }

    /// <inheritdoc/>
    public override (Tensor Root, Tensor Gradient)[] Roots(Tensor factor, Tensor? others)
    {
        using var none = no_grad();
        var gradient = _entropy.Gradient(factor, 1 / _batch.TotalWeight, others); // [queries, columns]
        var ofQueries = gradient.mm(_padded); // [queries, size]
        ofQueries = _kept is null ? ofQueries : ofQueries.mul_(_kept);
        var ofEntities = gradient.t().mm(_queries); // [columns, size]
        Tensor ofRelations;
        Tensor? ofPairs = null;
        if (_relationEntropy is not null)
        {
            var scores = _relationEntropy.Gradient(factor, _relationWeight / _batch.TotalWeight, null); // [answers, columns]
            (ofPairs, ofRelations) = (scores.mm(_paddedRelations!), scores.t().mm(_pairs!));
        }
        else
        {
            ofRelations = zeros_like(_relations);
        }

        var ofMissing = _table.Missing is { } missing ? zeros_like(missing) : null;
        _kernels.Launch(Of("complex_backward"), (_batch.Count, 1), Threads, 0, Addresses(),
            ofQueries.Address(), ofPairs?.Address() ?? 0, factor.Address(), TrainingKernels.Bits(_n3 / _batch.TotalWeight),
            ofEntities.Address(), ofRelations.Address(), ofMissing?.Address() ?? 0);
        (Tensor, Tensor)[] roots =
        [
            (_candidates, ofEntities.narrow(0, 0, _candidates.shape[0])),
            (_relations, ofRelations.narrow(0, 0, _relations.shape[0])),
            (_loops, gradient.gather(1, _batch.Heads.unsqueeze(1)).squeeze(1)),
        ];
        return ofMissing is null ? roots : [.. roots, (_table.Missing!, ofMissing)];
    }

    private BranchOutput Answer()
    {
        using var none = no_grad();
        var vectors = _table.AsHeads(_candidates.detach().index_select(0, _batch.Heads), _batch.Heads);
        return new BranchOutput(_batch.Heads, vectors, _queries, _logits, _table.Available.index_select(0, _batch.Heads));
    }

    // Four numbers of a thread at a time where the rank allows it.
    private string Of(string kernel) => _candidates.shape[1] % 8 == 0 ? $"{kernel}_by_4" : kernel;

    private TripleAddresses Addresses() => new(
        new TableAddresses(
            _candidates.Address(), _relations.Address(), _table.Missing is null ? 0 : _table.Available.Address(), _table.Missing?.Address() ?? 0, (int)_candidates.shape[1] / 2),
        new BatchAddresses(_batch));
}
