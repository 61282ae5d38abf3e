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
    public void WhatIsKept_IsWhatThePathsSay()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = SmallModel.Create(SmallModel.WithPaths);
        var queries = TrainingQueries.Build(SmallModel.Entities, SmallModel.Relations, SmallModel.Facts);
        var paths = new PathScorer(model.Paths!, model.Facts!);
        using var answers = new PathAnswers(paths, queries);
        var rows = tensor(new long[] { 3, 0, 7 });
        Tensor Ids(IReadOnlyList<int> all) => tensor(new long[] { all[3], all[0], all[7] });
        var (heads, relations) = (Ids([.. queries.Entities]), Ids([.. queries.Relations]));
        AreClose(Flat(paths.Answer(heads, relations)), answers.Of(heads, relations, rows), 2e-3);
    }
}
