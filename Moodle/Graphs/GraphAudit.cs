using System.Collections.Immutable;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Moodle.Graphs;

/// <summary>What is in a data set and what is wrong with it. Pictures are counted, not decoded.</summary>
public sealed record GraphAudit
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        WriteIndented = true,
    };

    /// <summary>The folder.</summary>
    public required string Path { get; init; }

    /// <summary>The layout that it was recognised as.</summary>
    public required string Layout { get; init; }

    /// <summary>Entities, each a candidate in ranking.</summary>
    public required int Entities { get; init; }

    /// <summary>Relations, without reciprocals.</summary>
    public required int Relations { get; init; }

    /// <summary>Entities, of triples or not, that no training triple has.</summary>
    public required int EntitiesUnseenInTraining { get; init; }

    /// <summary>Relations that no training triple has.</summary>
    public required int RelationsUnseenInTraining { get; init; }

    /// <summary>Split by split.</summary>
    public required SplitAudits Splits { get; init; }

    /// <summary>Names and descriptions.</summary>
    public required TextAudit Text { get; init; }

    /// <summary>Pictures.</summary>
    public required ImageAudit Images { get; init; }

    /// <summary>Relations by category.</summary>
    public required CategoryAudit Categories { get; init; }

    /// <summary>Relations of the training triples that another relation, or their own reverse, nearly repeats; the closest first.</summary>
    public required ImmutableArray<RelationPattern> Patterns { get; init; }

    /// <summary>How the folder was read: where texts come from, what was drawn or dropped, one line each.</summary>
    public required ImmutableArray<string> Notes { get; init; }

    /// <summary>What a user should know before believing a figure, one line each.</summary>
    public ImmutableArray<string> Warnings => [.. AuditWarnings.Of(this)];

    /// <summary>Audits a graph.</summary>
    public static GraphAudit Of(KnowledgeGraph graph)
    {
        var counts = new SplitCounter(graph);
        var described = graph.Descriptions.Where(text => text is not null).Select(text => text!);
        var names = graph.GivenNames.Where(name => name is not null).Select(name => name!);
        return new GraphAudit
        {
            Path = graph.Path,
            Layout = graph.Layout,
            Entities = graph.Entities.Count,
            Relations = graph.Relations.Count,
            EntitiesUnseenInTraining = graph.Entities.Count - counts.TrainEntities.Count,
            RelationsUnseenInTraining = graph.Relations.Count - counts.TrainRelations.Count,
            Splits = new SplitAudits(counts.Audit(Split.Train), counts.Audit(Split.Validation), counts.Audit(Split.Test)),
            Text = new TextAudit(names.Count(), described.Count(), Distribution.OfWords(names), Distribution.OfWords(described)),
            Images = ImageAudit.Of(graph),
            Notes = graph.Notes,
            Categories = CategoryAudit.Of(graph),
            Patterns = RelationPatterns.Find(graph),
        };
    }

    /// <summary>The audit as JSON, keys in snake case, with the warnings.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Json);
}

/// <summary>The audit of each split.</summary>
/// <param name="Train">Training triples.</param>
/// <param name="Validation">Validation triples.</param>
/// <param name="Test">Test triples.</param>
public sealed record SplitAudits(SplitAudit Train, SplitAudit Validation, SplitAudit Test)
{
    /// <summary>All three, in the usual order.</summary>
    [JsonIgnore]
    public ImmutableArray<(Split Split, SplitAudit Audit)> All => [(Split.Train, Train), (Split.Validation, Validation), (Split.Test, Test)];
}

/// <summary>Figures of a split. Triples are counted as lines, duplicates included, unless it says distinct.</summary>
public sealed record SplitAudit
{
    /// <summary>Lines.</summary>
    public required int Triples { get; init; }

    /// <summary>Distinct triples.</summary>
    public required int Distinct { get; init; }

    /// <summary>Lines whose triple is a training triple as well; 0 for training itself.</summary>
    public required int AlsoInTrain { get; init; }

    /// <summary>Lines whose triple is a validation triple as well; 0 for validation itself.</summary>
    public required int AlsoInValidation { get; init; }

    /// <summary>Lines whose triple is a test triple as well; 0 for test itself.</summary>
    public required int AlsoInTest { get; init; }

    /// <summary>Entities of its triples.</summary>
    public required int Entities { get; init; }

    /// <summary>Relations of its triples.</summary>
    public required int Relations { get; init; }

    /// <summary>Entities of its triples that no training triple has.</summary>
    public required int UnseenEntities { get; init; }

    /// <summary>Relations of its triples that no training triple has.</summary>
    public required int UnseenRelations { get; init; }

    /// <summary>Lines with an entity or relation that no training triple has.</summary>
    public required int TriplesWithUnseen { get; init; }

    /// <summary>Lines whose (head, tail) another training triple links, by any relation.</summary>
    public required int LinkedForward { get; init; }

    /// <summary>Lines whose (tail, head) another training triple links, by any relation: often their inverse.</summary>
    public required int LinkedReversed { get; init; }

    /// <summary>Lines of either kind.</summary>
    public required int Linked { get; init; }

    /// <summary>Of its entities, those with a name.</summary>
    public required int EntitiesWithName { get; init; }

    /// <summary>Of its entities, those with a description.</summary>
    public required int EntitiesWithDescription { get; init; }

    /// <summary>Of its entities, those with a picture.</summary>
    public required int EntitiesWithImage { get; init; }
}

/// <summary>Texts of the entities.</summary>
/// <param name="Names">Entities with a name other than their label.</param>
/// <param name="Descriptions">Entities with a description.</param>
/// <param name="NameWords">Words in a name.</param>
/// <param name="DescriptionWords">Words in a description.</param>
public sealed record TextAudit(int Names, int Descriptions, Distribution NameWords, Distribution DescriptionWords);

/// <summary>Pictures of the entities.</summary>
/// <param name="Entities">Entities with at least one.</param>
/// <param name="Files">All pictures.</param>
/// <param name="PerEntity">Pictures of an entity, among those with at least one.</param>
public sealed record ImageAudit(int Entities, int Files, Distribution PerEntity)
{
    /// <summary>Counts the pictures of a graph.</summary>
    public static ImageAudit Of(KnowledgeGraph graph)
    {
        int[] counts = [.. graph.Images.Select(images => images.Length).Where(count => count > 0)];
        return new ImageAudit(counts.Length, counts.Sum(), Distribution.Of(counts));
    }
}

/// <summary>How counts are distributed; all 0 where there is none.</summary>
/// <param name="Mean">Mean.</param>
/// <param name="Median">Median.</param>
/// <param name="P95">95 % are not larger.</param>
/// <param name="Max">The largest.</param>
public sealed record Distribution(double Mean, int Median, int P95, int Max)
{
    /// <summary>The distribution of counts.</summary>
    public static Distribution Of(IEnumerable<int> values)
    {
        int[] counts = [.. values.Order()];
        return counts.Length == 0
            ? new Distribution(0, 0, 0, 0)
            : new Distribution(Math.Round(counts.Average(), 2), counts[(counts.Length - 1) / 2], counts[(int)(0.95 * (counts.Length - 1))], counts[^1]);
    }

    /// <summary>The distribution of the words of texts, between blanks.</summary>
    public static Distribution OfWords(IEnumerable<string> texts) =>
        Of(texts.Select(text => text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length));
}

/// <summary>The number of relations of each category.</summary>
/// <param name="OneToOne">1-1.</param>
/// <param name="OneToMany">1-N.</param>
/// <param name="ManyToOne">N-1.</param>
/// <param name="ManyToMany">N-N.</param>
public sealed record CategoryAudit(int OneToOne, int OneToMany, int ManyToOne, int ManyToMany)
{
    /// <summary>Counts a graph's relations.</summary>
    public static CategoryAudit Of(KnowledgeGraph graph)
    {
        var categories = RelationCategories.Of(graph.Relations.Count, TrainingQueries.Build(graph.Entities.Count, graph.Relations.Count, graph.Train));
        int Count(RelationCategory category) => categories.Count(one => one == category);
        return new CategoryAudit(Count(RelationCategory.OneToOne), Count(RelationCategory.OneToMany), Count(RelationCategory.ManyToOne), Count(RelationCategory.ManyToMany));
    }
}
