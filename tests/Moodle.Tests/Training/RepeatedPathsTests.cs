using Moodle.Models.Paths;
using Moodle.Tests.Models;
using Moodle.Tests.Support;
using Moodle.Training;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Training;

[TestClass]
public sealed class RepeatedPathsTests
{
    [NoTensorLeak]
    public void WhatIsAskedAgain_IsAnsweredAsBefore_WithoutThePaths()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = SmallModel.Create(SmallModel.WithPaths);
        var paths = new PathScorer(model.Paths!, model.Facts!);
        (Tensor Heads, Tensor Relations)[] batches = [.. new[] { 3, 2 }.Select(rows => (randint(SmallModel.Entities, [rows], ScalarType.Int64), randint(2 * SmallModel.Relations, [rows], ScalarType.Int64)))];
        var expected = batches.Select(batch => Flat(paths.Answer(batch.Heads, batch.Relations))).ToArray();
        using var repeated = new RepeatedPaths(paths);
        for (var pass = 0; pass < 3; pass++)
        {
            repeated.Restart();
            for (var i = 0; i < batches.Length; i++)
            {
                using var inner = NewDisposeScope();
                var answer = repeated.Answer(batches[i].Heads, batches[i].Relations);
                AreClose(expected[i], answer, 1e-6, $"pass {pass}");
                // As ranking on a GPU does with what it filters.
                answer.fill_(float.NaN);
            }

            // From the second pass on nobody asks the network, whatever it would say.
            Scramble(model.Paths!, 0.5);
        }
    }
}
