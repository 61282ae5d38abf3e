using Moodle.Runtime;
using Moodle.Tests.Support;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Runtime;

[TestClass]
public sealed class GradientsTests
{
    [NoTensorLeak]
    public void Backward_GoesOnFromGivenGradients_AndAddsUp()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new[] { 1f, 2, 3 }).requires_grad_(true);
        var other = tensor(new[] { 5f }).requires_grad_(true);
        for (var times = 1; times <= 2; times++)
        {
            // x is given a gradient and has another through its square; so it would have from autograd.
            Gradients.Backward([(x, tensor(new[] { 10f, 20, 30 })), (x.square(), tensor(new[] { 1f, 1, 1 })), (other, tensor(new[] { 7f }))]);
            AreClose([times * 12, times * 24, times * 36], x.grad!);
            AreClose([times * 7], other.grad!);
        }
    }

    [NoTensorLeak]
    public void Backward_OfNothing_DoesNothing() => Gradients.Backward([]);
}
