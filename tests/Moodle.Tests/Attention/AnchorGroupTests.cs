using Moodle.Attention;

namespace Moodle.Tests.Attention;

[TestClass]
public sealed class AnchorGroupTests
{
    [TestMethod]
    public void AnchorRegionAndCandidates_PartTheAllowedPairs()
    {
        var random = new Random(1);
        for (var trial = 0; trial < 4000; trial++)
        {
            var n = 1 + random.Next(random.Next(2) == 0 ? 12 : 70);
            var options = Random(random);
            var groups = AnchorGroup.Of(n, options);
            var rows = (long)options.Block * options.Step;
            var seen = new int[n, n];
            long anchors = 0, candidates = 0;
            foreach (var group in groups)
            {
                for (var i = group.Start; i < group.End; i++)
                {
                    for (var j = 0; j < n; j++)
                    {
                        var anchor = (j < group.InitEnd || (j >= group.LocalStart && j < group.LocalEnd)) && (!options.Causal || j <= i);
                        var candidate = (j >= group.InitEnd && j < group.LocalStart) || (j >= group.LocalEnd && j < group.CandidateEnd);
                        var region = (j < options.Init || (j >= group.Start - (long)options.Local && j < group.End + (long)options.Local)) && (!options.Causal || j <= i);
                        if (region != anchor)
                        {
                            Assert.Fail($"{options}, n {n}: is {j} an anchor of {i}?");
                        }

                        seen[i, j] += (anchor ? 1 : 0) + (candidate ? 1 : 0);
                        anchors += anchor ? 1 : 0;
                        candidates += candidate ? 1 : 0;
                    }

                    Assert.AreEqual(i / rows * rows, group.Start);
                }
            }

            for (var i = 0; i < n; i++)
            {
                for (var j = 0; j < n; j++)
                {
                    if (seen[i, j] != (!options.Causal || j <= i ? 1 : 0))
                    {
                        Assert.Fail($"{options}, n {n}: ({i}, {j}) counts {seen[i, j]} times");
                    }
                }
            }

            Assert.AreEqual(anchors, groups.Sum(group => group.AnchorPairs(options.Causal)));
            Assert.AreEqual(candidates, groups.Sum(group => (long)group.Candidates * group.Rows));
            Assert.AreEqual(candidates > 0, AnchorGroup.AnyCandidates(n, options));
        }
    }

    [TestMethod]
    public void BadOptions_AreRefused_AndNamed()
    {
        static void Refused(AnchorAttentionOptions options, params string[] words)
        {
            var message = Assert.ThrowsExactly<InputException>(() => new AnchorAttention(options)).Message;
            Array.ForEach(words, word => Assert.Contains(word, message));
        }

        Refused(new() { Block = 0 }, "block is 0", "from 1");
        Refused(new() { Step = -3 }, "step is -3", "from 1");
        Refused(new() { Init = -1 }, "init is -1", "from 0");
        Refused(new() { Local = -1 }, "local is -1", "from 0");
        Refused(new() { Theta = double.NaN }, "theta is not a number", "infinity");
        Refused(new() { Implementation = (AttentionImplementation)9 }, "implementation 9", "auto, reference, cpu or cuda");
    }

    private static AnchorAttentionOptions Random(Random random)
    {
        int Size(int most) => random.Next(20) == 0 ? int.MaxValue : random.Next(3) == 0 ? 0 : random.Next(most);
        return new() { Block = Math.Max(1, Size(12)), Step = Math.Max(1, Size(5)), Init = Size(20), Local = Size(20), Causal = random.Next(2) == 0 };
    }
}
