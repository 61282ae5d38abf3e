using System.Collections.Immutable;
using Moodle.Configuration;

namespace Moodle.Tests.Configuration;

[TestClass]
public sealed class ConfigLoaderTests
{
    public enum Method
    {
        DistMult,
        BiasAware,
    }

    /// <summary>Every kind of property that a configuration record may have.</summary>
    public record Part
    {
        [Between(0, 1)]
        public double Rate { get; init; } = 0.1;

        [AtLeast(1)]
        public int Heads { get; init; } = 2;
    }

    public sealed record WidePart : Part, IChecked
    {
        public int HiddenSize { get; init; } = 8;

        public IEnumerable<(string Key, string Problem)> Check()
        {
            if (HiddenSize % Heads != 0)
            {
                yield return ("hidden_size", $"must be a multiple of heads ({Heads})");
            }
        }
    }

    public sealed record Whole
    {
        public Part Part { get; init; } = new() { Rate = 0.5 };

        public WidePart Wide { get; init; } = new();

        public string Name { get; init; } = "a b";

        public string? Folder { get; init; }

        public int? Limit { get; init; }

        public bool Enabled { get; init; } = true;

        public long Budget { get; init; } = 1L << 40;

        public Method Method { get; init; }

        [NotEmpty]
        public IReadOnlyList<Method> Methods { get; init; } = [Method.DistMult];

        public ImmutableArray<double> Rates { get; init; } = [];

        public string[] Names { get; init; } = [];

        public int MaxTokensN3 { get; init; }
    }

    [TestMethod]
    public void WhatIsNotGivenKeepsItsDefaultAlsoWithinSections()
    {
        var config = Parse("part:\n  heads: 3\nwide:\n");

        Assert.AreEqual(new Part { Rate = 0.5, Heads = 3 }, config.Part);
        Assert.AreEqual(ConfigLoader.Write(new Whole { Part = config.Part }), ConfigLoader.Write(config));
        Assert.AreEqual(ConfigLoader.Write(new Whole()), ConfigLoader.Write(Parse("# nothing\n")));
    }

    [TestMethod]
    public void EveryKindOfValueIsRead()
    {
        var config = Parse("""
            name: "null"
            folder: /a b/c
            limit: -7
            enabled: false
            method: bias_aware
            methods: [distmult, biasaware]
            rates: [1e-3, .5]
            names:
              - x
              - "y: z"
            max_tokens_n3: 4
            wide: { rate: 1, hidden_size: 16 }
            """);

        Assert.AreEqual(("null", "/a b/c", -7, false, Method.BiasAware, 4), (config.Name, config.Folder, config.Limit, config.Enabled, config.Method, config.MaxTokensN3));
        CollectionAssert.AreEqual(new[] { Method.DistMult, Method.BiasAware }, config.Methods.ToArray());
        CollectionAssert.AreEqual(new[] { 0.001, 0.5 }, config.Rates);
        CollectionAssert.AreEqual(new[] { "x", "y: z" }, config.Names);
        Assert.AreEqual(new WidePart { Rate = 1, HiddenSize = 16 }, config.Wide);
        Assert.IsNull(Parse("folder: a", "folder=null").Folder);
    }

    [TestMethod]
    [DataRow("enabld: true", "c.yaml:1: unknown key 'enabld'; did you mean 'enabled'?")]
    [DataRow("\npart:\n  raet: 1", "c.yaml:3: unknown key 'part.raet'; did you mean 'part.rate'?")]
    [DataRow("hidden_size: 1", "c.yaml:1: unknown key 'hidden_size'; did you mean 'wide.hidden_size'?")]
    [DataRow("zzzzzzzzzzzz: 1", "c.yaml:1: unknown key 'zzzzzzzzzzzz'; known keys here: part, wide, name")]
    [DataRow("? [a]\n: 1", "c.yaml:1: unknown key ''")]
    [DataRow("part: 3", "c.yaml:1: 'part' is a section, expected keys such as 'part.rate' below it")]
    [DataRow("part:\n  rate: fast", "c.yaml:2: 'part.rate' is 'fast', expected a number")]
    [DataRow("part: {rate: 1.5}", "c.yaml:1: 'part.rate' is '1.5', expected a number from 0 to 1")]
    [DataRow("part: {rate: .nan}", "c.yaml:1: 'part.rate' is '.nan', expected a number")]
    [DataRow("part: {rate: '1'}", "c.yaml:1: 'part.rate' is the text \"1\", expected a number")]
    [DataRow("part: {rate: 0,5}", "c.yaml:1: unknown key 'part.5'")]
    [DataRow("part: {heads: 2.0}", "c.yaml:1: 'part.heads' is '2.0', expected a whole number")]
    [DataRow("part: {heads: 99999999999}", "c.yaml:1: 'part.heads' is '99999999999', expected a whole number")]
    [DataRow("enabled: yes", "c.yaml:1: 'enabled' is 'yes', expected true or false")]
    [DataRow("name:", "c.yaml:1: 'name' is empty, expected a text")]
    [DataRow("name: [a, b]", "c.yaml:1: 'name' is [a, b], expected a text")]
    [DataRow("limit: many", "c.yaml:1: 'limit' is 'many', expected a whole number, or null")]
    [DataRow("method: transe", "c.yaml:1: 'method' is 'transe', expected one of distmult, biasaware")]
    [DataRow("methods: distmult", "c.yaml:1: 'methods' is 'distmult', expected a list of distmult, biasaware")]
    [DataRow("methods: []", "c.yaml:1: 'methods' is [], expected a list of at least one, none twice")]
    [DataRow("methods: [distmult, transe]", "c.yaml:1: 'methods' is [distmult, transe], expected a list of distmult, biasaware")]
    [DataRow("wide:\n  rate: 1\n  heads: 3", "c.yaml: 'wide.hidden_size' must be a multiple of heads (3)")]
    [DataRow("wide:\n  heads: 3\n  hidden_size: 10", "c.yaml:3: 'wide.hidden_size' must be a multiple of heads (3)")]
    [DataRow("limit: 1\nname: a\nlimit: 2", "c.yaml:3: the key 'limit' stands here a second time; remove one of the two")]
    [DataRow("part:\n\trate: 1", "c.yaml:2: a tab in the indentation; indent with blanks")]
    [DataRow("part:\n  rate: [1\n\n", "c.yaml:2: not valid YAML: ")]
    [DataRow("name: \"a", "c.yaml:1: not valid YAML: ")]
    [DataRow("- a", "c.yaml:1: found [a], expected keys with values")]
    [DataRow("name: a\n---\nname: b", "c.yaml:3: a second YAML document begins")]
    public void AnErrorInTheFileIsNamedByLine(string yaml, string message)
    {
        var error = Assert.ThrowsExactly<InputException>(() => Parse(yaml)).Message;

        StringAssert.StartsWith(error, message);
        Assert.DoesNotContain('\n', error);
    }

    [TestMethod]
    [DataRow("seed", "--set seed: expected key=value")]
    [DataRow("part.rate=2", "--set part.rate: 'part.rate' is '2', expected a number from 0 to 1")]
    [DataRow("part.rat=2", "--set part.rat: unknown key 'part.rat'; did you mean 'part.rate'?")]
    [DataRow("name.x=2", "--set name.x: unknown key 'name.x'")]
    [DataRow("part=2", "--set part: 'part' is a section; set one of its keys, such as 'part.rate'")]
    [DataRow("methods=distmult,x", "--set methods: 'methods' is [distmult, x], expected a list of distmult, biasaware")]
    [DataRow("wide.hidden_size=3", "--set wide.hidden_size: 'wide.hidden_size' must be a multiple of heads (2)")]
    public void AnErrorOnTheCommandLineIsNamedByKey(string set, string message) =>
        StringAssert.StartsWith(Assert.ThrowsExactly<InputException>(() => Parse("name: b", set)).Message, message);

    [TestMethod]
    public void TheCommandLineHoldsOverTheFileAndTheLastValueOverTheFirst()
    {
        var config = Parse("name: file\nlimit: 3", "name=a=b: c", "limit=4", "limit=5", "methods=[biasaware, distmult]", "names=x,y z", "rates=[]", "part.rate=0.25");

        Assert.AreEqual(("a=b: c", 5, 0.25), (config.Name, config.Limit, config.Part.Rate));
        CollectionAssert.AreEqual(new[] { Method.BiasAware, Method.DistMult }, config.Methods.ToArray());
        CollectionAssert.AreEqual(new[] { "x", "y z" }, config.Names);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(3)]
    public void WhatIsWrittenIsReadBackExactly(int seed)
    {
        var random = new Random(seed);
        string[] texts = ["null", "~", "", "a: b", "#x", "C:\\data\\x", "../data", "cuda:0", "é漢😀", "\"q\"", "true", "12", "- a", "tab\tnew\nline", "[x]", "*a", "&b", "a,b", "%", "@"];
        string Text() => texts[random.Next(texts.Length)];
        for (var i = 0; i < 100; i++)
        {
            var config = new Whole
            {
                Part = new() { Rate = random.NextDouble() * Math.Pow(10, -random.Next(20)), Heads = random.Next(1, int.MaxValue) },
                Name = Text(),
                Folder = random.Next(3) == 0 ? null : Text(),
                Limit = random.Next(3) == 0 ? null : random.Next(int.MinValue, int.MaxValue),
                Enabled = random.Next(2) == 0,
                Budget = random.NextInt64(),
                Method = (Method)random.Next(2),
                Rates = [.. Enumerable.Range(0, random.Next(4)).Select(_ => (random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-300, 300)))],
                Names = [.. Enumerable.Range(0, random.Next(4)).Select(_ => Text())],
            };

            var back = Parse(ConfigLoader.Write(config));

            Assert.AreEqual((config.Part, config.Wide, config.Name, config.Folder, config.Limit, config.Enabled, config.Budget, config.Method),
                (back.Part, back.Wide, back.Name, back.Folder, back.Limit, back.Enabled, back.Budget, back.Method));
            CollectionAssert.AreEqual(config.Rates, back.Rates);
            CollectionAssert.AreEqual(config.Names, back.Names);
        }
    }

    [TestMethod]
    public void TheProgramsOwnConfigurationIsLoadedFromAFile()
    {
        var path = Path.Combine(Path.GetTempPath(), $"moodle-{Guid.NewGuid():N}.yaml");
        try
        {
            File.WriteAllText(path, "structure:\n  scorer: tucker\n  n3: 0.01\nmodalities: [text, structure]\n");
            var config = ConfigLoader.Load(path, ["device=cuda:1", "text.scorer=rotate", "training.unimodal.optimizer=adamw"]);

            Assert.AreEqual((ScorerKind.TuckER, 0.01, "cuda:1", ScorerKind.RotatE, OptimizerKind.AdamW),
                (config.Structure.Scorer, config.Structure.N3, config.Device, config.Text.Scorer, config.Training.Unimodal.Optimizer));
            CollectionAssert.AreEqual(new[] { Modality.Text, Modality.Structure }, config.Modalities.ToArray());
            var yaml = ConfigLoader.ToYaml(config);
            File.WriteAllText(path, yaml);
            Assert.AreEqual(yaml, ConfigLoader.ToYaml(ConfigLoader.Load(path, [])));
            StringAssert.Contains(Assert.ThrowsExactly<InputException>(() => ConfigLoader.Load(path, ["trainng.epochs=3"])).Message,
                "--set trainng.epochs: unknown key 'trainng.epochs'; did you mean 'training.unimodal.epochs'?");

            File.WriteAllBytes(path, [0x61, 0xE4]);
            StringAssert.EndsWith(Assert.ThrowsExactly<InputException>(() => ConfigLoader.Load(path, [])).Message, ": not valid UTF-8; save the file as UTF-8");
        }
        finally
        {
            File.Delete(path);
        }

        StringAssert.Contains(Assert.ThrowsExactly<InputException>(() => ConfigLoader.Load(path, [])).Message, "no such file");
    }

    [TestMethod]
    public void EveryDefaultKeepsItsRule()
    {
        foreach (var key in ConfigLoader.Keys())
        {
            _ = Parse<MoodleConfig>("", $"{key.Path}={key.Default}");
        }

        Assert.AreEqual("a whole number of at least 1", ConfigLoader.Keys().Single(key => key.Path == "text.encoder.layers").Expected);
    }

    private static Whole Parse(string yaml, params string[] sets) => Parse<Whole>(yaml, sets);

    private static T Parse<T>(string yaml, params string[] sets)
        where T : class, new() => ConfigLoader.Parse<T>(yaml, "c.yaml", sets);
}
