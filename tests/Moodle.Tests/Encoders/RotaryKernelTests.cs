using Moodle.Encoders;
using Moodle.Tests.Support;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Encoders;

[TestClass]
[TestCategory("Gpu")]
public sealed class RotaryKernelTests
{
    [TestInitialize]
    public void Require() => AnyGpu.Require();

    [TestMethod]
    [DataRow(1, 1, 8, ScalarType.Float32)]
    [DataRow(77, 3, 40, ScalarType.Float32)]
    [DataRow(513, 4, 64, ScalarType.BFloat16)]
    public void TurningOnTheGpu_IsTurningByOperations_WithItsGradient(int tokens, int heads, int size, ScalarType type)
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        var values = randn(tokens, 3, heads, size).to(type);
        var (given, wanted) = (values.cuda().requires_grad_(), values.to(ScalarType.Float32).requires_grad_());
        var positions = arange(tokens, dtype: ScalarType.Int64);
        var turned = stack([.. new RotaryPositions(positions.cuda(), size).Turn(given)], 1);
        var expected = stack([.. new RotaryPositions(positions, size).Turn(wanted)], 1);
        Assert.AreEqual(type, turned.dtype);
        var tolerance = type == ScalarType.BFloat16 ? 0.02 : 1e-5; // half a unit in the last place of numbers below 8
        AreClose(Flat(expected), turned.cpu(), tolerance, "turned");
        var incoming = randn(tokens, 3, heads, size).to(type);
        turned.backward([incoming.cuda()]);
        expected.backward([incoming.to(ScalarType.Float32)]);
        AreClose(Flat(wanted.grad!), given.grad!.cpu(), tolerance, "gradient");
    }
}
