using Moodle.Configuration;
using Moodle.Tests.Support;

namespace Moodle.Tests.Configuration;

/// <summary>What a search may draw from: read strictly, and drawn from as it says.</summary>
[TestClass]
public sealed class SearchSpaceTests
{
    [TestMethod]
    public void ASpace_IsReadWithItsPlan_AndReadsBack()
    {
        using var folder = TestData.NewFolder();
        var space = Read(folder, """
            tries: 12
            keep: 4
            rungs: 2
            space:
              structure.rank: [8, 16]
              training.unimodal.learning_rate: {from: 0.03, to: 0.5, scale: log}
              text.encoder.layers: {from: 1, to: 3}
              structure.scorer: [complex, distmult]
              modalities: [[structure], [structure, text]]
              text.encoder.pretrained.path: [null, "a b"]
            """);
        Assert.AreEqual(new SearchPlan { Tries = 12, Keep = 4, Rungs = 2 }, space.Plan);
        string[] values = ["[8, 16]", "{from: 0.03, to: 0.5, scale: log}", "{from: 1, to: 3, scale: linear}", "[complex, distmult]", "[[structure], [structure, text]]", "[null, \"a b\"]"];
        CollectionAssert.AreEqual(values, space.Dimensions.Select(dimension => dimension.Values).ToArray());
        var again = Read(folder, space.ToYaml());
        Assert.AreEqual(space.ToYaml(), again.ToYaml());
        Assert.IsNull(space.DifferenceTo(again with { Plan = again.Plan with { Tries = 99 } }), "more tries are the same search");
    }

    [TestMethod]
    public void WhatIsNotGiven_HasDefaults()
    {
        using var folder = TestData.NewFolder();
        Assert.AreEqual(new SearchPlan { Tries = 27, Keep = 3, Rungs = 3 }, Read(folder, "space:\n  structure.rank: [8]\n").Plan);
    }

    [TestMethod]
    [DataRow("", "'space' is missing", "structure.rank: [100, 200]")]
    [DataRow("tries: 3\n", "'space' is missing")]
    [DataRow("space:\n", ":1:", "'space' is empty", "keys to search")]
    [DataRow("space: [structure.rank]\n", ":1:", "'space' is [structure.rank]")]
    [DataRow("trys: 3\n", ":1:", "unknown key 'trys'", "did you mean 'tries'?")]
    [DataRow("tries: 3\nstructure.rank: [1, 2]\n", ":2:", "unknown key 'structure.rank'", "tries, keep, rungs, space", "below 'space'")]
    [DataRow("tries: 0\n", ":1:", "'tries' is '0'", "at least 1")]
    [DataRow("tries: many\n", ":1:", "'tries' is 'many'", "a whole number")]
    [DataRow("keep: 1\n", ":1:", "'keep' is '1'", "at least 2")]
    [DataRow("rungs: 0\n", ":1:", "'rungs' is '0'", "from 1 to 20")]
    [DataRow("rungs: 1\nrungs: 2\n", ":2:", "'rungs'", "a second time")]
    [DataRow("space:\n  structure.rnk: [1]\n", ":2:", "unknown key 'structure.rnk'", "did you mean 'structure.rank'?")]
    [DataRow("space:\n  structure: [1]\n", ":2:", "'structure' is a section")]
    [DataRow("space:\n  structure:\n    rank: [1]\n", ":2:", "'structure' is a section", "structure.scorer")]
    [DataRow("space:\n  structure.rank: 5\n", ":2:", "'structure.rank' is '5'", "choices as [A, B]", "{from: A, to: B}")]
    [DataRow("space:\n  structure.rank: []\n", ":2:", "'structure.rank' is []", "choices as [A, B]")]
    [DataRow("space:\n  structure.rank: [8, many]\n", ":2:", "'structure.rank' is 'many'", "a whole number")]
    [DataRow("space:\n  structure.rank: [8, 0]\n", ":2:", "'structure.rank' is '0'", "at least 1")]
    [DataRow("space:\n  structure.rank: [8, 9, 8]\n", ":2:", "'structure.rank' has the choice 8 twice")]
    [DataRow("space:\n  structure.scorer: [complex, transe]\n", ":2:", "'structure.scorer' is 'transe'", "complex, distmult")]
    [DataRow("space:\n  modalities: [structure, text]\n", ":2:", "'modalities' is 'structure'", "a list of structure, text, image")]
    [DataRow("space:\n  structure.scorer: {from: 1, to: 2}\n", ":2:", "'structure.scorer' has a range", "one of complex", "[A, B]")]
    [DataRow("space:\n  structure.rank: {from: 8}\n", ":2:", "'structure.rank.to' is missing")]
    [DataRow("space:\n  structure.rank: {to: 8}\n", ":2:", "'structure.rank.from' is missing")]
    [DataRow("space:\n  structure.rank: {from: 8, to: 9, scal: log}\n", ":2:", "unknown key 'structure.rank.scal'", "did you mean 'structure.rank.scale'?")]
    [DataRow("space:\n  structure.rank: {from: 8, to: 9, scale: exp}\n", ":2:", "'structure.rank.scale' is 'exp'", "linear or log")]
    [DataRow("space:\n  structure.rank: {from: 8, to: 8.5}\n", ":2:", "'structure.rank.to' is '8.5'", "a whole number")]
    [DataRow("space:\n  structure.rank: {from: 8, to: 7}\n", ":2:", "'structure.rank' goes from 8 to 7", "'from' below 'to'")]
    [DataRow("space:\n  structure.rank: {from: 0, to: 7}\n", ":2:", "'structure.rank.from' is '0'", "at least 1")]
    [DataRow("space:\n  structure.dropout: {from: 0, to: 0.99}\n", ":2:", "'structure.dropout.to' is '0.99'", "from 0 to 0.95")]
    [DataRow("space:\n  structure.n3: {from: 0, to: 0.1, scale: log}\n", ":2:", "'structure.n3' goes from 0", "'from' above 0")]
    [DataRow("space:\n  seed: [1, 2]\n", ":2:", "'seed' cannot be searched", "measured alike")]
    [DataRow("space:\n  data.clean: [true, false]\n", ":2:", "'data.clean' cannot be searched")]
    [DataRow("space:\n  training.validation_triples: [10, 20]\n", ":2:", "'training.validation_triples' cannot be searched")]
    [DataRow("space:\n  structure.rank: [8\n", "not valid YAML")]
    public void WhatCannotBeDrawn_IsRefused(string yaml, params string[] words)
    {
        using var folder = TestData.NewFolder();
        var error = Assert.ThrowsExactly<InputException>(() => Read(folder, yaml));
        Assert.StartsWith(folder["space.yaml"], error.Message);
        Assert.DoesNotContain("\n", error.Message);
        foreach (var word in words)
        {
            Assert.Contains(word, error.Message);
        }
    }

    [TestMethod]
    public void AMissingFile_IsNamedWithAnExample()
    {
        var error = Assert.ThrowsExactly<InputException>(() => SearchSpaceReader.Read("no/such.yaml"));
        Assert.StartsWith("no/such.yaml: no such file", error.Message);
        Assert.Contains("configs/spaces/atlas.yaml", error.Message);
    }

    [TestMethod]
    public void Ranges_ReachBothEndsAndAreEvenOnTheirScale()
    {
        Assert.AreEqual("1 2 3", Distinct("text.encoder.layers: {from: 1, to: 3}"));
        Assert.AreEqual("1 2 3", Distinct("text.encoder.layers: {from: 1, to: 3, scale: log}"));
        Assert.AreEqual("null 8 16", Distinct("text.encoder.pretrained.path: [null, \"8\", \"16\"]").Replace("\"", "", StringComparison.Ordinal));
        // A quarter of the way by each scale, with four digits of the value or of the range.
        Assert.AreEqual(0.2575, Only("structure.n3: {from: 0.01, to: 1}").At(0.25));
        Assert.AreEqual(0.03162, Only("structure.n3: {from: 0.01, to: 1, scale: log}").At(0.25));
        Assert.AreEqual(0.900025, Only("structure.dropout: {from: 0.9, to: 0.9001}").At(0.25));
        Assert.AreEqual(31, Only("structure.rank: {from: 10, to: 999, scale: log}").At(0.25));
        Assert.AreEqual(0.95, (double)Only("structure.dropout: {from: 0, to: 0.95}").At(1 - 1e-9)!, "rounding does not lead out of the range");

        static string Distinct(string line) => string.Join(' ', Enumerable.Range(0, 1000).Select(i => ConfigValue.Format(Only(line).At(i / 1000.0))).Distinct());
    }

    [TestMethod]
    public void Draws_DoNotDependOnTheOrderOfTheFile()
    {
        using var folder = TestData.NewFolder();
        string[] lines = ["  structure.rank: {from: 1, to: 1000}", "  text.rank: {from: 1, to: 1000}", "  image.rank: {from: 1, to: 1000}"];
        string[] Drawn(IEnumerable<string> ordered)
        {
            var random = new Random(7);
            return [.. Read(folder, "space:\n" + string.Join('\n', ordered)).Draw(random.NextDouble).Select(setting => $"{setting.Key}={setting.Text}").Order()];
        }

        CollectionAssert.AreEqual(Drawn(lines), Drawn(lines.Reverse()));
    }

    [TestMethod]
    [DataRow(27, 3, 3, 40, "27 of 4, 9 of 13, 3 of 40")]
    [DataRow(16, 2, 4, 100, "16 of 13, 8 of 25, 4 of 50, 2 of 100")]
    [DataRow(10, 3, 3, 5, "10 of 1, 3 of 2, 1 of 5")]
    [DataRow(2, 4, 3, 1, "2 of 1, 1 of 1, 1 of 1")]
    [DataRow(5, 3, 1, 40, "5 of 40")]
    public void Rungs_ThinOutTriesAndLengthenTraining(int tries, int keep, int rungs, int epochs, string expected)
    {
        var plan = new SearchPlan { Tries = tries, Keep = keep, Rungs = rungs };
        Assert.AreEqual(expected, string.Join(", ", Enumerable.Range(1, rungs).Select(rung => $"{plan.Entrants(rung)} of {plan.Epochs(epochs, rung)}")));
    }

    [TestMethod]
    public void EveryStage_IsScaled_AndWhatHasNoEpochsGetsNone()
    {
        var config = new MoodleConfig
        {
            Training = new() { Unimodal = new() { Epochs = 90 }, Fusion = new() { Epochs = 30 }, Refit = new() { Epochs = 0 } },
            Text = new() { Pretrain = new() { Epochs = 9 } },
            Image = new() { Pretrain = new() { Epochs = 18 } },
        };
        var plan = new SearchPlan { Tries = 27, Keep = 3, Rungs = 3 };
        var first = plan.Scale(config, 1);
        Assert.AreEqual((10, 3, 0, 1, 2), (first.Training.Unimodal.Epochs, first.Training.Fusion.Epochs, first.Training.Refit.Epochs, first.Text.Pretrain.Epochs, first.Image.Pretrain.Epochs));
        Assert.AreEqual(ConfigLoader.ToYaml(config), ConfigLoader.ToYaml(plan.Scale(config, 3)), "the last rung trains the configuration as it is");
    }

    private static SearchDimension Only(string line)
    {
        using var folder = TestData.NewFolder();
        return Read(folder, $"space:\n  {line}\n").Dimensions.Single();
    }

    private static SearchSpace Read(TemporaryFolder folder, string yaml)
    {
        File.WriteAllText(folder["space.yaml"], yaml);
        return SearchSpaceReader.Read(folder["space.yaml"]);
    }
}
