using Moodle.Evaluation;
using Moodle.Graphs;

namespace Moodle.Tests.Evaluation;

[TestClass]
public sealed class NameResolverTests
{
    private static readonly NameResolver Resolver = new(
        "entity", new Vocabulary(["Q1", "Q2", "Q3", "Q4", "Lima", "q1x"]), ["France", "Georgia", "Georgia", "france", "Peru", "Q1"]);

    [TestMethod]
    [DataRow("Q1", 0, DisplayName = "a label before a name")]
    [DataRow("France", 0, DisplayName = "an exact name before another case")]
    [DataRow("france", 3)]
    [DataRow("PERU", 4)]
    [DataRow(" lima ", 4)]
    [DataRow("Q1X", 5)]
    public void Labels_Names_AndOtherCases_AreFound(string text, int id) => Assert.AreEqual(id, Resolver.Resolve(text));

    [TestMethod]
    [DataRow("Georgia", "2 entities", "Q2, Q3")]
    [DataRow("FRANCE", "2 entities", "Q1, Q4")]
    [DataRow("Gorgia", "no entity is called 'Gorgia'", "'Georgia' (Q2), 'Georgia' (Q3), ")]
    public void Ambiguous_AndUnknownNames_AreRefused_WithChoices(string text, string problem, string choices)
    {
        var error = Assert.ThrowsExactly<InputException>(() => Resolver.Resolve(text));
        Assert.Contains(problem, error.Message);
        Assert.Contains(choices, error.Message);
    }

    [TestMethod]
    [DataRow("kitten", "sitting", 3)]
    [DataRow("", "abc", 3)]
    [DataRow("Peru", "PERU", 0)]
    [DataRow("ab", "ba", 2)]
    public void Distance_IsLevenshteins_WithoutCase(string a, string b, int distance)
    {
        Assert.AreEqual(distance, NameResolver.Distance(a, b));
        Assert.AreEqual(distance, NameResolver.Distance(b, a));
    }
}
