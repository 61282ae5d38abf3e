using Moodle.Encoders.Pretrained;
using Moodle.Tests.Support;
using Moodle.Training;
using static TorchSharp.torch;

namespace Moodle.Tests.Training;

[TestClass]
public sealed class FeatureJournalTests
{
    [NoTensorLeak]
    public void CutOffOrDamagedAnywhere_KeepsTheWholeBatches()
    {
        using var folder = TestData.NewFolder();
        var path = folder["x.partial"];
        var ends = new List<long>();
        using (var journal = new FeatureJournal(path, "key", 2))
        {
            ends.Add(new FileInfo(path).Length);
            foreach (var batch in Enumerable.Range(0, 3))
            {
                using var scope = NewDisposeScope();
                var features = arange(2 * batch, (2 * batch) + 4, dtype: ScalarType.Float32).view(2, 2);
                journal.Append(3, new Batch([10 * batch, (10 * batch) + 1], [new BrokenInput($"/p/{batch}", "é")]), features);
                ends.Add(new FileInfo(path).Length);
            }
        }

        var bytes = File.ReadAllBytes(path);
        var random = new Random(1);
        for (var round = 0; round < 200; round++)
        {
            var cut = random.Next((int)ends[0], bytes.Length);
            var damaged = round % 2 == 0 ? bytes[..cut] : [.. bytes];
            if (round % 2 == 1)
            {
                damaged[cut] ^= 0x10;
            }

            File.WriteAllBytes(path, damaged);
            using var journal = new FeatureJournal(path, "key", 2);
            var whole = ends.Count(end => end <= cut) - 1;
            Assert.AreEqual(3 * whole, journal.Done);
            CollectionAssert.AreEqual(Enumerable.Range(0, whole).Select(batch => new BrokenInput($"/p/{batch}", "é")).ToArray(), journal.Broken);
            var (values, entities) = journal.Read();
            using (values)
            {
                CollectionAssert.AreEqual(Enumerable.Range(0, whole).SelectMany(batch => new[] { 10 * batch, (10 * batch) + 1 }).ToArray(), entities);
                CollectionAssert.AreEqual(Enumerable.Range(0, whole).SelectMany(batch => Enumerable.Range(2 * batch, 4).Select(value => (float)value)).ToArray(), whole == 0 ? [] : values.data<float>().ToArray());
            }
        }
    }

    [NoTensorLeak]
    public void OfOtherInputs_BeginsAnew()
    {
        using var folder = TestData.NewFolder();
        using var features = zeros(1, 2);
        using (var journal = new FeatureJournal(folder["x"], "key", 2))
        {
            journal.Append(1, new Batch([0], []), features);
            Assert.Contains("wait for it", Assert.ThrowsExactly<InputException>(() => new FeatureJournal(folder["x"], "key", 2)).Message);
        }

        using var other = new FeatureJournal(folder["x"], "yek", 2);
        Assert.AreEqual(0, other.Done);
        other.Remove();
        Assert.IsFalse(File.Exists(folder["x"]));
    }

    private sealed record Batch(IReadOnlyList<int> Entities, IReadOnlyList<BrokenInput> Broken) : FrozenBatch(Entities, Broken);
}
