using Moodle.Configuration;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Models.Scorers;

/// <summary>
/// Scores triples in two steps, so that one query meets all entities in one matrix product: a query vector from head and relation,
/// then logits of the query vector against candidate vectors. Holds the relation parameters, reciprocals included.
/// </summary>
public abstract class Scorer : nn.Module
{
    /// <summary>Creates a scorer whose entity vectors have <paramref name="entitySize"/> real numbers.</summary>
    protected Scorer(string name, int entitySize) : base(name) => EntitySize = entitySize;

    /// <summary>Length of entity and query vectors.</summary>
    public int EntitySize { get; }

    /// <summary>Creates the scorer that the configuration names.</summary>
    /// <param name="config">Kind, rank and initial scale.</param>
    /// <param name="relationCount">|R| without reciprocals.</param>
    public static Scorer Create(BranchConfig config, int relationCount)
    {
        ArgumentNullException.ThrowIfNull(config);
        return config.Scorer switch
        {
            ScorerKind.DistMult => new DistMult(config.Rank, relationCount, config.InitScale),
            ScorerKind.RotatE => new RotatE(config.Rank, relationCount),
            ScorerKind.TuckER => new TuckER(config.Rank, relationCount),
            _ => new ComplEx(config.Rank, relationCount, config.InitScale),
        };
    }

    /// <summary>A new table of entity vectors as this scorer likes to start from.</summary>
    /// <param name="count">Number of entities.</param>
    /// <param name="scale">Standard deviation where the scorer has no preference of its own.</param>
    /// <returns>[count, <see cref="EntitySize"/>].</returns>
    public virtual Tensor InitialEntities(long count, double scale) => randn(count, EntitySize).mul_(scale);

    /// <summary>Query vectors.</summary>
    /// <param name="heads">[queries, <see cref="EntitySize"/>].</param>
    /// <param name="relations">int64 [queries], 0 to 2|R|-1.</param>
    /// <returns>[queries, <see cref="EntitySize"/>].</returns>
    public abstract Tensor Query(Tensor heads, Tensor relations);

    /// <summary>Whether <see cref="Score"/> is the product of queries and candidates and nothing else.</summary>
    public virtual bool IsBilinear => true;

    /// <summary>Logits of queries against candidates.</summary>
    /// <param name="queries">[queries, <see cref="EntitySize"/>].</param>
    /// <param name="candidates">[candidates, <see cref="EntitySize"/>].</param>
    /// <returns>[queries, candidates].</returns>
    public virtual Tensor Score(Tensor queries, Tensor candidates) => queries.mm(candidates.t());

    /// <summary>The N3 norms of the factors of triples, Σ|x|³ for each row, or null where the scorer has no such regularisation.</summary>
    /// <param name="entities">[n, <see cref="EntitySize"/>].</param>
    /// <returns>[n].</returns>
    public virtual Tensor? EntityNorm(Tensor entities) => null;

    /// <summary>As <see cref="EntityNorm"/>, for the factors of relations.</summary>
    /// <param name="relations">int64 [n].</param>
    /// <returns>[n].</returns>
    public virtual Tensor? RelationNorm(Tensor relations) => null;

    /// <summary>Whether <see cref="ScoreRelations"/> is there.</summary>
    public virtual bool ScoresRelations => false;

    /// <summary>Scores of pairs under every relation and reciprocal, the same that <see cref="Query"/> and <see cref="Score"/> give.</summary>
    /// <param name="heads">[n, <see cref="EntitySize"/>].</param>
    /// <param name="tails">[n, <see cref="EntitySize"/>].</param>
    /// <returns>[n, 2|R|].</returns>
    /// <exception cref="NotSupportedException">The scorer cannot give them in one product.</exception>
    public virtual Tensor ScoreRelations(Tensor heads, Tensor tails) => throw new NotSupportedException($"{GetName()} does not score relations");

    /// <summary>A table of relation parameters, one row for each relation and each reciprocal.</summary>
    private protected static Parameter Table(Tensor initial) => nn.Parameter(initial);
}
