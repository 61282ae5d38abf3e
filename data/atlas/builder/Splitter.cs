namespace Atlas;

/// <summary>One fact of the data set, by ids.</summary>
internal sealed record AtlasTriple(string Head, string Relation, string Tail) : IComparable<AtlasTriple>
{
    public int CompareTo(AtlasTriple? other) => other is null ? 1 : string.CompareOrdinal(ToString(), other.ToString());

    /// <summary>The line of a TSV file.</summary>
    public override string ToString() => $"{Head}\t{Relation}\t{Tail}";
}

/// <summary>The three parts of the data set, each sorted.</summary>
internal sealed record AtlasSplits(List<AtlasTriple> Train, List<AtlasTriple> Validation, List<AtlasTriple> Test);

/// <summary>
/// Deals triples into training, validation and test, 80 to 10 to 10 within every relation. All triples between the same
/// two entities stay together, so that neither the other direction of a symmetric fact nor any inverse or near-synonymous
/// relation tells an answer; and an entity leaves training only where <see cref="UnseenEntities"/> names it.
/// </summary>
internal static class Splitter
{
    /// <summary>The seed of the split that is committed.</summary>
    public const ulong Seed = 20250101;

    /// <summary>Entities that training never sees: all their triples are in the test split.</summary>
    public static readonly string[] UnseenEntities =
        ["city-marseille", "country-lc", "lake-taupo", "language-icelandic", "peak-nyiragongo", "river-thames"];

    /// <summary>Splits distinct triples.</summary>
    public static AtlasSplits Split(IEnumerable<AtlasTriple> triples)
    {
        var unseen = UnseenEntities.ToHashSet(StringComparer.Ordinal);
        var groups = triples.Order()
            .GroupBy(triple => string.CompareOrdinal(triple.Head, triple.Tail) < 0 ? (triple.Head, triple.Tail) : (triple.Tail, triple.Head))
            .Select(group => group.ToList())
            .ToList();
        var train = new List<AtlasTriple>();
        var validation = new List<AtlasTriple>();
        var test = new List<AtlasTriple>();

        // How many triples training still has of an entity: never dealt down to none.
        var left = groups.SelectMany(group => group).SelectMany(triple => new[] { triple.Head, triple.Tail })
            .CountBy(id => id, StringComparer.Ordinal).ToDictionary(StringComparer.Ordinal);
        foreach (var group in groups.Where(IsUnseen))
        {
            Take(group, test);
        }

        var random = new SplitMix64(Seed);
        foreach (var stratum in groups.GroupBy(group => group[0].Relation).OrderBy(stratum => stratum.Key, StringComparer.Ordinal))
        {
            var open = stratum.Where(group => !IsUnseen(group)).ToList();
            var forValidation = (int)Math.Round(stratum.Count() * 0.1, MidpointRounding.AwayFromZero);
            var forTest = Math.Max(0, forValidation - (stratum.Count() - open.Count));
            random.Shuffle(open);
            foreach (var group in open)
            {
                if (forTest + forValidation == 0 || !CanLeave(group))
                {
                    train.AddRange(group);
                }
                else if (forTest >= forValidation)
                {
                    Take(group, test);
                    forTest--;
                }
                else
                {
                    Take(group, validation);
                    forValidation--;
                }
            }
        }

        train.Sort();
        validation.Sort();
        test.Sort();
        return new(train, validation, test);

        bool IsUnseen(List<AtlasTriple> group) => unseen.Contains(group[0].Head) || unseen.Contains(group[0].Tail);

        bool CanLeave(List<AtlasTriple> group) => left[group[0].Head] > group.Count && left[group[0].Tail] > group.Count;

        void Take(List<AtlasTriple> group, List<AtlasTriple> to)
        {
            to.AddRange(group);
            left[group[0].Head] -= group.Count;
            left[group[0].Tail] -= group.Count;
        }
    }
}
