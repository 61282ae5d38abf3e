namespace Atlas;

/// <summary>A column that holds ids: every id in it becomes one triple.</summary>
/// <param name="Name">The column's name.</param>
/// <param name="Relation">The relation that its triples have.</param>
/// <param name="Kinds">The kinds of entities that it may name; cells that name countries or traffic hold the bare code.</param>
/// <param name="Least">The least number of ids in a cell.</param>
/// <param name="Most">The greatest number of ids in a cell.</param>
/// <param name="Inverted">Whether the row's own entity is the tail of the triple.</param>
internal sealed record LinkColumn(string Name, string Relation, string[] Kinds, int Least = 0, int Most = 1, bool Inverted = false);

/// <summary>A table of entities of one kind; <c>Name</c> may end in <c>-*</c> where it comes in several parts.</summary>
/// <param name="Name">The file's name without <c>.csv</c>.</param>
/// <param name="Kind">The kind of its entities: what their ids begin with.</param>
/// <param name="Columns">All columns in the order of the file.</param>
/// <param name="Links">Those of the columns that hold ids.</param>
internal sealed record Table(string Name, string Kind, string[] Columns, LinkColumn[] Links);

/// <summary>What tables there are and what relations their columns become.</summary>
internal static class Schema
{
    private const int Many = int.MaxValue;

    /// <summary>All tables of entities.</summary>
    public static readonly Table[] Tables =
    [
        new("countries-*", "country",
            ["code", "name", "subregion", "capitals", "languages", "currencies", "borders", "coasts", "memberships", "government", "independence_from", "traffic", "description"],
            [
                new("subregion", "part_of_subregion", ["region"], Least: 1),
                new("capitals", "capital_of", ["city"], Least: 1, Most: 3, Inverted: true),
                new("languages", "official_language", ["language"], Least: 1, Most: 6),
                new("currencies", "has_currency", ["currency"], Least: 1, Most: Many),
                new("borders", "borders", ["country"], Most: Many),
                new("coasts", "has_coast_on", ["sea"], Most: Many),
                new("memberships", "member_of", ["org"], Most: Many),
                new("government", "has_government", ["government"], Least: 1),
                new("independence_from", "independent_from", ["country"], Most: 2),
                new("traffic", "drives_on", ["traffic"], Least: 1),
            ]),
        new("cities-*", "city", ["id", "name", "country", "capital", "utc_offset", "lies_on", "description"],
            [
                new("country", "located_in", ["country"], Least: 1),
                new("utc_offset", "uses_time", ["time"], Least: 1),
                new("lies_on", "lies_on", ["river", "sea", "lake"], Most: Many),
            ]),
        new("continents", "continent", ["id", "name", "description"], []),
        new("subregions", "region", ["id", "name", "continent", "description"], [new("continent", "subregion_of", ["continent"], Least: 1)]),
        new("languages", "language", ["id", "name", "family", "script", "description"],
            [new("family", "of_language_family", ["family"]), new("script", "written_in", ["script"], Most: Many)]),
        new("families", "family", ["id", "name", "parent", "description"], [new("parent", "subfamily_of", ["family"])]),
        new("scripts", "script", ["id", "name", "description"], []),
        new("currencies", "currency", ["id", "name", "description"], []),
        new("rivers", "river", ["id", "name", "countries", "mouth", "description"],
            [new("countries", "flows_through", ["country"], Least: 1, Most: Many), new("mouth", "flows_into", ["sea", "river", "lake"])]),
        new("seas", "sea", ["id", "name", "part_of", "description"], [new("part_of", "part_of_sea", ["sea"])]),
        new("lakes", "lake", ["id", "name", "countries", "description"], [new("countries", "lake_in", ["country"], Least: 1, Most: Many)]),
        new("ranges", "range", ["id", "name", "countries", "description"], [new("countries", "range_in", ["country"], Least: 1, Most: Many)]),
        new("peaks", "peak", ["id", "name", "range", "countries", "description"],
            [new("range", "peak_of", ["range"]), new("countries", "peak_in", ["country"], Least: 1, Most: Many)]),
        new("organisations", "org", ["id", "name", "headquarters", "description"], [new("headquarters", "headquartered_in", ["city"], Most: 4)]),
        new("governments", "government", ["id", "name", "description"], []),
        new("traffic", "traffic", ["id", "name", "description"], []),
        new("times", "time", ["id", "name", "description"], []),
    ];

    /// <summary>All relations in alphabetical order with the words that they are called by.</summary>
    public static readonly SortedDictionary<string, string> Relations = new(StringComparer.Ordinal)
    {
        ["borders"] = "shares a land border with",
        ["capital_of"] = "is the capital of",
        ["drives_on"] = "has traffic on",
        ["flows_into"] = "flows into",
        ["flows_through"] = "flows through",
        ["has_coast_on"] = "has a coast on",
        ["has_currency"] = "has the currency",
        ["has_government"] = "has the form of government",
        ["headquartered_in"] = "has its headquarters in",
        ["independent_from"] = "became independent from",
        ["lake_in"] = "is a lake in",
        ["lies_on"] = "lies on the water of",
        ["located_in"] = "is a city in",
        ["member_of"] = "is a member of",
        ["of_language_family"] = "belongs to the language family",
        ["official_language"] = "has the official language",
        ["part_of_sea"] = "is a part of the sea or ocean",
        ["part_of_subregion"] = "is a country of the subregion",
        ["peak_in"] = "is a mountain in",
        ["peak_of"] = "is a peak of the range",
        ["range_in"] = "is a mountain range in",
        ["subfamily_of"] = "is a branch of the language family",
        ["subregion_of"] = "is a subregion of the continent",
        ["uses_time"] = "keeps the standard time",
        ["written_in"] = "is written in the script",
    };

    /// <summary>ISO 3166 codes of the 193 members of the United Nations and its two observer states.</summary>
    public static readonly string[] CountryCodes =
        ("ad ae af ag al am ao ar at au az ba bb bd be bf bg bh bi bj bn bo br bs bt bw by bz ca cd cf cg ch ci cl cm cn co cr cu cv cy cz " +
         "de dj dk dm do dz ec ee eg er es et fi fj fm fr ga gb gd ge gh gm gn gq gr gt gw gy hn hr ht hu id ie il in iq ir is it jm jo jp " +
         "ke kg kh ki km kn kp kr kw kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mr mt mu mv mw mx my mz na ne ng ni " +
         "nl no np nr nz om pa pe pg ph pk pl ps pt pw py qa ro rs ru rw sa sb sc sd se sg si sk sl sm sn so sr ss st sv sy sz td tg th tj " +
         "tl tm tn to tr tt tv tz ua ug us uy uz va vc ve vn vu ws ye za zm zw").Split(' ');
}
