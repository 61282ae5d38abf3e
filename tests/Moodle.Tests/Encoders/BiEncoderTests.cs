using Moodle.Encoders;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Encoders;

[TestClass]
public sealed class BiEncoderTests
{
    private const int Entities = 6;
    private const int Size = 5;
    private const double Temperature = 0.3;

    // Candidates: entities 3, 0 and 5, encoded, then 2, which lacks the modality. The first query has two answers.
    private static readonly EncoderBatch Batch = new([3, 0, 5], [2], [0, 2], [1, 2], [0, 0, 1], [1, 3, 0]);

    [TestMethod]
    public void TheLoss_IsInfoNceOverTheBatch_WithoutOtherTrueAnswers()
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var model = new BiEncoder<Table>(new Table(), Entities, 2, Temperature);
        Scramble(model, 1);
        using (no_grad())
        {
            Parameter(model, "log_temperature").fill_((float)Math.Log(Temperature));
        }

        var (table, answers) = (Rows(Parameter(model, "encoder.table")), Rows(Parameter(model, "answers")));
        var (scales, shifts) = (Rows(Parameter(model, "relation_scale")), Rows(Parameter(model, "relation_shift")));
        double[][] candidates = [Unit(table[3]), Unit(table[0]), Unit(table[5]), Unit(answers[2])];
        var logits = Batch.QueryHeads.Zip(Batch.QueryRelations, (head, relation) =>
        {
            var query = Unit([.. candidates[head].Select((x, i) => (x * Math.Sqrt(Size) * scales[relation][i]) + shifts[relation][i])]);
            return candidates.Select(candidate => Dot(query, candidate) / Temperature).ToArray();
        }).ToArray();

        // Each pair against all candidates but the query's other answers and the one that asks.
        var expected = -(LogSoftmax([logits[0][1], logits[0][2]])[0] + LogSoftmax([logits[0][3], logits[0][2]])[0]
            + LogSoftmax([logits[1][0], logits[1][1], logits[1][3]])[0]) / 3;
        AreClose([expected], model.Loss(Batch), 1e-4);
    }

    [TestMethod]
    public void EntitiesThatLackTheModality_LearnAsAnswersOnly()
    {
        using var scope = NewDisposeScope();
        manual_seed(2);
        var model = new BiEncoder<Table>(new Table(), Entities, 2, Temperature);
        model.Loss(Batch).backward();
        Assert.IsTrue(model.parameters().All(parameter => parameter.grad!.isfinite().all().item<bool>()));
        var touched = Flat(Parameter(model, "answers").grad!.abs().sum(1)).Select(size => size > 0);
        CollectionAssert.AreEqual(new[] { false, false, true, false, false, false }, touched.ToArray());
    }

    private static double[] Unit(double[] x) => [.. x.Select(number => number / Math.Sqrt(Dot(x, x)))];

    /// <summary>An encoder that knows its results by heart.</summary>
    private sealed class Table : nn.Module, IEntityEncoder
    {
        private readonly TorchSharp.Modules.Parameter table = nn.Parameter(randn(Entities, Size));

        public Table() : base(nameof(Table)) => RegisterComponents();

        public int FeatureSize => Size;

        public bool Has(int entity) => true;

        public int Cost(int entity) => 1;

        public Tensor Encode(ReadOnlySpan<int> entities) => table.index_select(0, tensor(entities.ToArray().Select(entity => (long)entity).ToArray()));
    }
}
