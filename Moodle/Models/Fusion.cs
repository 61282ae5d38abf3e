using Moodle.Configuration;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Models;

/// <summary>
/// Joins the branches' answers: a fused query, gated by how sure each modality is, scores fused candidates, and a relation-aware sum of
/// the branches' own logits, and of those of predictors that have no vectors to join, is added. Modalities that the query's known end lacks take no part. Its parameters are of two kinds: those of
/// the fused vectors, a predictor of its own like the branches, and those of the balance, which say whom to trust.
/// </summary>
public sealed class Fusion : nn.Module
{
    private const int RelationSize = 16;
    private const int SignalCount = 3;
    private readonly FusionConfig _config;
    private readonly int _predictors;
    private readonly int _others;
    private readonly ModuleList<Linear> maps;
    private readonly ModuleList<Linear>? factors;
    private readonly Linear? interaction;
    private readonly Parameter relations;
    private readonly Linear gate_in;
    private readonly Linear gate_out;
    private readonly Parameter balance;
    private readonly Parameter? relation_balance;
    private readonly Parameter scale;
    private readonly LoopBias loops;

    /// <summary>Creates the fusion; it starts as the mean of the branches' logits.</summary>
    /// <param name="config">Sizes and switches.</param>
    /// <param name="sizes">Length of each branch's vectors.</param>
    /// <param name="relationCount">|R|.</param>
    /// <param name="others">How many predictors there are beside the branches, of which there are only logits.</param>
    public Fusion(FusionConfig config, IReadOnlyList<int> sizes, int relationCount, int others = 0) : base(nameof(Fusion))
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(sizes);
        (_config, _predictors, _others) = (config, sizes.Count + others, others);
        maps = nn.ModuleList(sizes.Select(size => nn.Linear(size, config.HiddenSize, hasBias: false)).ToArray());
        if (config.InteractionRank > 0)
        {
            factors = nn.ModuleList(sizes.Select(size => nn.Linear(size, config.InteractionRank)).ToArray());
            interaction = nn.Linear(config.InteractionRank, config.HiddenSize, hasBias: false);
        }

        relations = nn.Parameter(randn(2L * relationCount, RelationSize).mul_(0.1));
        gate_in = nn.Linear(RelationSize + (SignalCount * _predictors), 32);
        gate_out = nn.Linear(32, _predictors);
        // One weight for each predictor and one for the fused score, as logarithms, and what each relation has above or below them.
        balance = nn.Parameter(zeros(_predictors + 1));
        relation_balance = config.RelationAware ? nn.Parameter(zeros(2L * relationCount, _predictors + 1)) : null;
        scale = nn.Parameter(tensor(0.01f));
        loops = new LoopBias(relationCount);
        RegisterComponents();
        using (no_grad())
        {
            gate_out.weight!.zero_();
            gate_out.bias!.zero_();
        }
    }

    /// <summary>Whether a parameter of this module, by its name, belongs to the balance and not to the fused vectors.</summary>
    public static bool IsBalance(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.Contains(nameof(balance), StringComparison.Ordinal) || name.Contains("gate_", StringComparison.Ordinal)
            || (name.EndsWith(nameof(relations), StringComparison.Ordinal) && !name.Contains(nameof(loops), StringComparison.Ordinal));
    }

    /// <summary>Fused vectors of all candidates: the modalities that an entity has, by the same maps as queries, without a query's gate.</summary>
    /// <param name="directions">Per branch the <see cref="Directions"/> of its candidates: [|E|, size].</param>
    /// <param name="available">Per branch float32 [|E|].</param>
    /// <returns>[|E|, hidden], of length 1.</returns>
    public Tensor Candidates(IReadOnlyList<Tensor> directions, IReadOnlyList<Tensor> available)
    {
        ArgumentNullException.ThrowIfNull(available);
        var share = stack(available, 1); // [|E|, branches]
        share = share / share.sum(1, keepdim: true).clamp_min(1);
        return Join(directions, available, share);
    }

    /// <summary>One modality's vectors in the fused space, of length 1, for the contrast between modalities.</summary>
    /// <param name="branch">Index of the branch.</param>
    /// <param name="directions">[n, size].</param>
    /// <returns>[n, hidden].</returns>
    public Tensor Project(int branch, Tensor directions) => nn.functional.normalize(maps[branch].forward(directions), dim: 1);

    /// <summary>
    /// A branch's vectors as the fusion takes them, of length √size. Branches differ in the scale of their vectors by orders of magnitude; what they point at is what is
    /// joined.
    /// </summary>
    /// <param name="vectors">[n, size].</param>
    /// <returns>[n, size].</returns>
    public static Tensor Directions(Tensor vectors)
    {
        ArgumentNullException.ThrowIfNull(vectors);
        return nn.functional.normalize(vectors, dim: 1, eps: 1e-8) * Math.Sqrt(vectors.shape[1]);
    }

    /// <summary>Scores a batch.</summary>
    /// <param name="outputs">The branches' outputs.</param>
    /// <param name="fusedCandidates">What <see cref="Candidates"/> returned: [|E|, hidden].</param>
    /// <param name="relationIds">int64 [queries].</param>
    /// <param name="others">Logits of the other predictors, [queries, |E|] each.</param>
    public FusionOutput Forward(IReadOnlyList<BranchOutput> outputs, Tensor fusedCandidates, Tensor relationIds, IReadOnlyList<Tensor>? others = null)
    {
        ArgumentNullException.ThrowIfNull(outputs);
        ArgumentNullException.ThrowIfNull(fusedCandidates);
        Tensor[] logits = [.. outputs.Select(output => output.Logits), .. others ?? []];
        var available = Present(All(outputs));
        var gate = Gate(Signals(logits), available, relationIds);
        var queries = Drop(Join([.. outputs.Select(output => Directions(output.Queries))], available, gate));
        var own = loops.Add(Pointed(queries).mm(fusedCandidates.t()), outputs[0].Heads, relationIds); // [queries, |E|]
        var weights = Weights(gate, relationIds); // [queries, predictors + 1]
        var parts = logits.Select((each, m) => each * weights.narrow(1, m, 1)).ToArray();
        return new FusionOutput(queries, gate, own * weights.narrow(1, _predictors, 1), parts);
    }

    /// <summary>A step of the fused vectors, a predictor of its own: 1-vs-all training. The balance gets no gradient, and predictors beside the branches are not heard.</summary>
    /// <param name="input">What the branches say, without gradients.</param>
    /// <param name="fusedCandidates">What <see cref="Candidates"/> returned in this step: [|E|, hidden].</param>
    /// <param name="batch">Queries with their answers.</param>
    /// <param name="smoothing">Label smoothing.</param>
    /// <returns>Fused queries [queries, hidden], of length 1 but for dropout, and the step of their logits.</returns>
    public (Tensor Queries, BranchStep Step) Train(FusionInput input, Tensor fusedCandidates, QueryBatch batch, double smoothing)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(fusedCandidates);
        ArgumentNullException.ThrowIfNull(batch);
        var silent = Enumerable.Repeat(zeros_like(input.Available[0]), _others);
        var available = Present([.. input.Available, .. silent]);
        Tensor gate;
        using (no_grad())
        {
            var signals = _others == 0 ? input.Signals : cat([input.Signals, zeros(input.Signals.shape[0], SignalCount * _others, device: input.Signals.device)], 1);
            gate = Gate(signals, available, batch.Relations);
        }

        var queries = Drop(Join([.. input.Queries.Select(Directions)], available, gate));
        return (queries, new RecordedStep(null, queries, Pointed(queries), fusedCandidates, loops.Of(batch.Relations), available[0], batch, smoothing, null, null));
    }

    /// <summary>A step of the balance: whom to trust. The branches and the fused vectors get no gradient.</summary>
    /// <param name="outputs">The branches' outputs, without gradients.</param>
    /// <param name="others">Logits of the other predictors, [queries, |E|] each.</param>
    /// <param name="signals">The <see cref="Signals"/> of both.</param>
    /// <param name="fusedCandidates">[|E|, hidden], without gradients.</param>
    /// <param name="batch">Queries with their answers.</param>
    /// <param name="excluded">bool [queries, |E|]: no wrong answers, though they are not among the batch's answers.</param>
    public BalanceStep Weigh(IReadOnlyList<BranchOutput> outputs, IReadOnlyList<Tensor> others, Tensor signals, Tensor fusedCandidates, QueryBatch batch, Tensor excluded)
    {
        ArgumentNullException.ThrowIfNull(outputs);
        ArgumentNullException.ThrowIfNull(fusedCandidates);
        ArgumentNullException.ThrowIfNull(batch);
        var available = Present(All(outputs));
        var gate = Gate(signals, available, batch.Relations);
        Tensor[] mapped;
        Tensor? product;
        Tensor bias;
        using (no_grad())
        {
            (mapped, product) = Mapped([.. outputs.Select(output => Directions(output.Queries))], available);
            bias = loops.Of(batch.Relations);
        }

        var queries = Drop(Join(mapped, product, gate)) * (scale.detach() * 100);
        return new BalanceStep([.. outputs.Select(output => output.Logits), .. others], Weights(gate, batch.Relations), queries, fusedCandidates, bias, batch, excluded);
    }

    // Whether each predictor can be heard; those beside the branches always.
    private Tensor[] All(IReadOnlyList<BranchOutput> outputs) =>
        [.. outputs.Select(output => output.Available), .. Enumerable.Repeat(ones_like(outputs[0].Available), _others)];

    /// <summary>How sure each predictor is of its answers: best probability, entropy (1 = even), margin of the best over the second.</summary>
    /// <param name="logits">Per predictor [queries, |E|].</param>
    /// <returns>[queries, 3 · predictors], without gradients.</returns>
    public static Tensor Signals(IEnumerable<Tensor> logits)
    {
        ArgumentNullException.ThrowIfNull(logits);
        using var none = no_grad();
        return cat([.. logits.Select(Confidence)], 1);
    }

    // [queries, predictors]: each row sums to 1; as if all were there where nothing is.
    private Tensor Gate(Tensor signals, Tensor[] available, Tensor relationIds)
    {
        var has = stack(available, 1); // [queries, predictors]
        var heard = (signals.view(-1, _predictors, SignalCount) * has.unsqueeze(2)).view(-1, _predictors * SignalCount);
        var x = cat([relations.index_select(0, relationIds), heard], 1); // [queries, relation + signals * predictors]
        var logits = gate_out.forward(nn.functional.gelu(gate_in.forward(x)));
        return (logits + ((has - 1) * 1e4)).softmax(1);
    }

    // What each predictor's logits and, last, the fused logits are multiplied by: [queries, predictors + 1], never negative. Under an even gate the sum begins as
    // the predictors' mean.
    private Tensor Weights(Tensor gate, Tensor relationIds)
    {
        var weights = (relation_balance is null ? balance.unsqueeze(0).expand(gate.shape[0], -1) : balance + relation_balance.index_select(0, relationIds)).exp();
        return weights * cat([gate, full([gate.shape[0], 1], 1.0 / _predictors, device: gate.device)], 1);
    }

    // Fused queries as their product with fused candidates gives logits.
    private Tensor Pointed(Tensor queries) => queries * (scale * 100);

    private Tensor Drop(Tensor queries) => training && _config.Dropout > 0 ? nn.functional.dropout(queries, _config.Dropout, true) : queries;

    private Tensor[] Present(IReadOnlyList<Tensor> available) => training && _config.ModalityDropout > 0 ? Hide(available) : [.. available];

    // Σ_m share_m · map_m(x_m), plus the product of all available modalities' factors: [n, hidden], of length 1.
    private Tensor Join(IReadOnlyList<Tensor> directions, IReadOnlyList<Tensor> available, Tensor shares)
    {
        var (mapped, product) = Mapped(directions, available);
        return Join(mapped, product, shares);
    }

    private static Tensor Join(Tensor[] mapped, Tensor? product, Tensor shares)
    {
        if (mapped.Length < shares.shape[1])
        {
            // What predictors without vectors have of the gate is not lacking here: they were silent when the vectors learned.
            shares = shares.narrow(1, 0, mapped.Length);
            shares = shares / shares.sum(1, keepdim: true).clamp_min(1e-12);
        }

        var joined = mapped.Select((x, m) => x * shares.narrow(1, m, 1)).Aggregate((a, b) => a + b);
        return nn.functional.normalize(product is null ? joined : joined + product, dim: 1);
    }

    // What is joined: per modality map_m(x_m), and the product's part, [n, hidden] each.
    private (Tensor[] Mapped, Tensor? Product) Mapped(IReadOnlyList<Tensor> directions, IReadOnlyList<Tensor> available)
    {
        var mapped = directions.Select((x, m) => maps[m].forward(x)).ToArray();
        if (factors is null)
        {
            return (mapped, null);
        }

        // A modality that is lacking leaves the product as it is.
        var product = directions.Select((x, m) => where(available[m].gt(0.5).unsqueeze(1), factors[m].forward(x), ones_like(available[m]).unsqueeze(1)))
            .Aggregate((a, b) => a * b); // [n, rank]
        return (mapped, interaction!.forward(product));
    }

    // Of one branch: [queries, signals].
    private static Tensor Confidence(Tensor logits)
    {
        // All of these are as large as the logits: gone before the next branch's.
        using var scope = NewDisposeScope();
        var logP = nn.functional.log_softmax(logits, 1);
        var p = logP.exp();
        var (best, _) = p.topk(2, 1); // [queries, 2]
        var entropy = p.mul_(logP).sum(1).div(-Math.Log(logits.shape[1]));
        return stack([best.select(1, 0), entropy, best.select(1, 0) - best.select(1, 1)], 1).MoveToOuterDisposeScope();
    }

    // Hides modalities of some queries, but never the last that a query has.
    private Tensor[] Hide(IReadOnlyList<Tensor> available)
    {
        var has = stack(available, 1);
        var draw = rand_like(has).lt(_config.ModalityDropout / _predictors).to(ScalarType.Float32);
        var kept = has * (1 - draw);
        var any = kept.sum(1, keepdim: true).gt(0.5);
        return where(any, kept, has).unbind(1);
    }
}

/// <summary>What the fusion says to a batch of queries.</summary>
/// <param name="Queries">Fused queries [queries, hidden], of length 1.</param>
/// <param name="Gate">[queries, predictors], each row sums to 1.</param>
/// <param name="Fused">The fused vectors' logits as they enter the final score, [queries, |E|].</param>
/// <param name="Parts">Each predictor's weighed logits, [queries, |E|].</param>
public sealed record FusionOutput(Tensor Queries, Tensor Gate, Tensor Fused, IReadOnlyList<Tensor> Parts)
{
    /// <summary>The final score: the fused score plus all parts, [queries, |E|].</summary>
    public Tensor Logits()
    {
        using var scope = NewDisposeScope();
        return Parts.Aggregate(Fused, (sum, part) => sum + part).MoveToOuterDisposeScope();
    }
}

/// <summary>What the fusion needs of the branches' answers to a batch, beside the logits.</summary>
/// <param name="Queries">Per branch [queries, size].</param>
/// <param name="Available">Per branch float32 [queries], 0 where the known end lacks the modality.</param>
/// <param name="Signals">How sure the branches are, as <see cref="Fusion.Signals"/> says: [queries, 3 · branches].</param>
public sealed record FusionInput(IReadOnlyList<Tensor> Queries, IReadOnlyList<Tensor> Available, Tensor Signals)
{
    /// <summary>Of branches' outputs.</summary>
    public static FusionInput Of(IReadOnlyList<BranchOutput> outputs)
    {
        ArgumentNullException.ThrowIfNull(outputs);
        return new([.. outputs.Select(output => output.Queries)], [.. outputs.Select(output => output.Available)], Fusion.Signals(outputs.Select(output => output.Logits)));
    }
}
