using System.Text;
using Moodle.Configuration;
using Moodle.Tests.Support;

namespace Moodle.Tests.Configuration;

[TestClass]
public sealed class YamlFuzzTests
{
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    public void DamagedConfigurations_AreReadOrRefused(int seed)
    {
        using var folder = TestData.NewFolder();
        var sound = Encoding.UTF8.GetBytes("data:\n  path: \"data/ä\"\n  clean: true\nmodalities: [structure, text]\ntext:\n  encoder: {heads: 4, hidden_size: 64}\nseed: 3\n");
        var refused = 0;
        foreach (var input in Fuzz.Inputs(seed, 400, sound))
        {
            File.WriteAllBytes(folder["c.yaml"], input);
            refused += Fuzz.ReadsOrRefuses(() => ConfigLoader.Load(folder["c.yaml"], []), input.Length, 10_000) ? 0 : 1;
        }

        Assert.IsGreaterThan(100, refused);
    }

    [TestMethod]
    public void WhatWouldEndTheParser_IsRefused()
    {
        foreach (var (yaml, problem) in new[]
        {
            (string.Concat(Enumerable.Repeat("[", 200_000)), "levels of nesting"),
            (string.Concat(Enumerable.Repeat("{a: ", 200_000)), "levels of nesting"),
            (string.Concat(Enumerable.Range(0, 2_000).Select(i => new string(' ', i) + "a:\n")), "levels of nesting"),
            (string.Concat(Enumerable.Repeat("- ", 100_000)), "levels of nesting"),
            ("a: &a [x, x]\n" + string.Concat(Enumerable.Range(0, 26).Select(i => $"k{i}: &{(char)('b' + i)} [*{(char)('a' + i)}, *{(char)('a' + i)}]\n")), "aliases are not read"),
            ("seed: &a [*a]\n", "aliases are not read"),
            ("seed: " + new string('9', 1_000_000), "'seed' is"),
            (new string('x', 1_000_000) + ": 1", ""),
        })
        {
            var message = "";
            Assert.IsFalse(Fuzz.ReadsOrRefuses(() =>
            {
                try
                {
                    ConfigLoader.Parse<MoodleConfig>(yaml, "c.yaml", []);
                }
                catch (InputException refusal)
                {
                    message = refusal.Message;
                    throw;
                }
            }, yaml.Length, 500), yaml[..10]);
            Assert.Contains(problem, message);
            Assert.StartsWith("c.yaml:", message);
        }
    }
}
