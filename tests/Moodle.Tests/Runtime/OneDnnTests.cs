using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Tests.Runtime;

[TestClass]
public sealed class OneDnnTests
{
    // As many as the convolutional network has, and such as do not fill a vector up.
    [TestMethod]
    [DataRow(3, 8)]
    [DataRow(8, 8)]
    [DataRow(24, 24)]
    [DataRow(24, 40)]
    [DataRow(64, 32)]
    public void Convolutions_AndTheirGradients_AreThoseOfFloat64(int inputs, int outputs)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        foreach (var (side, stride, border) in new[] { (3, 1, 1), (2, 2, 0), (1, 1, 0) })
        {
            Tensor[] leaves = [randn(19, inputs, 16, 16), randn(outputs, inputs, side, side), randn(outputs)];
            var direction = randn_like(Plain(leaves, stride, border));
            var actual = Differentiate(leaves, direction, x => nn.functional.conv2d(x[0], x[1], x[2], strides: [stride, stride], padding: [border, border]));
            var expected = Differentiate([.. leaves.Select(x => x.to(ScalarType.Float64))], direction.to(ScalarType.Float64), x => Plain(x, stride, border));
            // The result, and the gradients of pictures, weight and bias; a network asks for no gradient of its pictures.
            foreach (var i in inputs == 3 ? new[] { 0, 2, 3 } : [0, 1, 2, 3])
            {
                var error = ((actual[i] - expected[i]).norm() / expected[i].norm()).item<double>();
                Assert.IsLessThan(1e-5, error, $"{side} × {side}, [{i}]");
            }
        }
    }

    [TestMethod]
    public void WhatTheDoctorMeasures_IsRounding() => Assert.IsLessThan(1e-5, OneDnn.ErrorOfConvolution(24));

    [TestMethod]
    public void OneDnn_IsRestrictedWhereItHasToBe() =>
        Assert.AreEqual(OneDnn.LacksCaches && OneDnn.UsersLimit is null, LibTorch.Load().Restricted);

    // Every pixel's neighbourhood as a column, so that a product of matrices is the convolution.
    private static Tensor Plain(Tensor[] x, int stride, int border)
    {
        var side = (int)x[1].shape[2];
        var columns = nn.functional.unfold(x[0], side, padding: border, stride: stride); // [pictures, inputs · side², pixels]
        var pixels = (x[0].shape[2] + (2 * border) - side) / stride + 1;
        return (x[1].flatten(1).matmul(columns) + x[2].unsqueeze(1)).view(x[0].shape[0], -1, pixels, pixels);
    }

    private static Tensor[] Differentiate(Tensor[] leaves, Tensor direction, Func<Tensor[], Tensor> compute)
    {
        Tensor[] own = [.. leaves.Select(x => x.clone().requires_grad_())];
        var y = compute(own);
        y.backward([direction]);
        return [y.detach(), .. own.Select(x => x.grad!)];
    }
}
