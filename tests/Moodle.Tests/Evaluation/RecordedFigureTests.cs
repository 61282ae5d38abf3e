using Moodle.Evaluation;
using Moodle.Tests.Support;

namespace Moodle.Tests.Evaluation;

[TestClass]
public sealed class RecordedFigureTests
{
    private const string Header = "configuration,seed,branch,mrr,tolerance,measured\n";

    [TestMethod]
    public void TheLowestSeedOfAConfiguration_IsRead()
    {
        using var folder = TestData.NewFolder();
        File.WriteAllText(folder["recorded.csv"], Header + "b,2,fusion,0.5,0.01,\"2026, CPU\"\nb,1,fusion,0.4,0.02,x\nb,1,text,0.3,0.02,x\na,0,fusion,0.1,0.1,x\n");
        CollectionAssert.AreEqual(
            new RecordedFigure[] { new("b", 1, "fusion", 0.4, 0.02, "x"), new("b", 1, "text", 0.3, 0.02, "x") }, RecordedFigure.Read(folder["recorded.csv"], "b").ToArray());
    }

    [TestMethod]
    [DataRow("a,1,fusion,zero,0.1,x\n", "recorded.csv:2: no mrr")]
    [DataRow("a,one,fusion,0.1,0.1,x\n", "recorded.csv:2: no seed")]
    [DataRow("a,1,fusion\n", "recorded.csv:2: no mrr")]
    [DataRow("b,1,fusion,0.1,0.1,x\n", "has no figure of 'a'; recorded are b")]
    [DataRow("", "has no figure of 'a'")]
    public void WhatCannotBeUsed_SaysWhy(string rows, string words)
    {
        using var folder = TestData.NewFolder();
        File.WriteAllText(folder["recorded.csv"], Header + rows);
        var message = Assert.ThrowsExactly<InputException>(() => RecordedFigure.Read(folder["recorded.csv"], "a")).Message;
        Assert.Contains(words, message);
        Assert.Contains("cannot be read", Assert.ThrowsExactly<InputException>(() => RecordedFigure.Read(folder["none.csv"], "a")).Message);
    }

    [TestMethod]
    public void AFigure_HoldsWithinItsTolerance_AndNeverWithoutAResult()
    {
        var figure = new RecordedFigure("a", 1, "fusion", 0.5, 0.01, "x");
        Assert.IsTrue(figure.Holds(0.5) && figure.Holds(0.5099) && figure.Holds(0.4901));
        Assert.IsFalse(figure.Holds(0.5101) || figure.Holds(0.4899) || figure.Holds(null) || figure.Holds(double.NaN));
    }

    [TestMethod]
    public void RepositoryFigures_BelongToConfigurations()
    {
        var configs = TestData.RequireRepository("configs");
        foreach (var name in File.ReadLines(Path.Combine(configs, "recorded.csv")).Skip(1).Select(line => line.Split(',')[0]).Distinct())
        {
            Assert.IsTrue(File.Exists(Path.Combine(configs, name + ".yaml")), name);
            Assert.IsTrue(RecordedFigure.Read(Path.Combine(configs, "recorded.csv"), name).All(figure => figure is { Mrr: > 0 and < 1, Tolerance: > 0 and < 0.05 }));
        }
    }
}
