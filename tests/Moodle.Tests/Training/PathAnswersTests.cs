using Moodle.Graphs;
using Moodle.Models.Paths;
using Moodle.Tests.Models;
using Moodle.Tests.Support;
using Moodle.Training;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Training;

[TestClass]
public sealed class PathAnswersTests
{
    [NoTensorLeak]
    public void WhatIsKept_IsWhatThePathsSay_WhenTheAnswersAreHidden()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = SmallModel.Create(SmallModel.WithPaths);
        var queries = TrainingQueries.Build(SmallModel.Entities, SmallModel.Relations, SmallModel.Facts[..3]);
        using var answers = new PathAnswers(model.Paths!, model.Facts!, queries);
        static Tensor Ids(IEnumerable<int> ids) => tensor(ids.Select(id => (long)id).ToArray());
        int[] rows = [3, 0, 5];
        var (heads, relations) = (Ids(rows.Select(row => queries.Entities[row])), Ids(rows.Select(row => queries.Relations[row])));
        var facts = SmallModel.Facts[..3];
        var hidden = model.Facts!.Hide(Ids(facts.Select(fact => fact.Head)), Ids(facts.Select(fact => fact.Relation)), Ids(facts.Select(fact => fact.Tail)));
        var expected = model.Paths!.Forward(model.Facts!, heads, relations, hidden);
        AreClose(Flat(expected), answers.Of(rows), 2e-3);
        Assert.IsFalse(expected.allclose(new PathScorer(model.Paths!, model.Facts!).Answer(heads, relations)));
    }
}
