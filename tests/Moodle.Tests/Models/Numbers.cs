using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Tests.Models;

/// <summary>Tensors as float64 numbers of C#, so that a reference can be written out without torch.</summary>
internal static class Numbers
{
    /// <summary>All elements, row by row.</summary>
    public static double[] Flat(Tensor x)
    {
        using var copy = x.detach().cpu().to(ScalarType.Float64).contiguous();
        return copy.data<double>().ToArray();
    }

    /// <summary>The rows of a matrix.</summary>
    public static double[][] Rows(Tensor x) => [.. Flat(x).Chunk((int)x.shape[1])];

    /// <summary>Every element within a tolerance, which grows with numbers above 1.</summary>
    public static void AreClose(double[] expected, Tensor actual, double tolerance = 1e-5, string what = "")
    {
        var numbers = Flat(actual);
        Assert.HasCount(expected.Length, numbers, what);
        for (var i = 0; i < expected.Length; i++)
        {
            Assert.AreEqual(expected[i], numbers[i], tolerance * Math.Max(1, Math.Abs(expected[i])), $"{what}[{i}]");
        }
    }

    /// <summary>A module's parameter by its name.</summary>
    public static Parameter Parameter(nn.Module module, string name) =>
        module.named_parameters().Single(entry => entry.name == name).parameter;

    /// <summary>Fills every parameter with noise, so that nothing rests on how a module starts.</summary>
    public static void Scramble(nn.Module module, double scale)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        foreach (var parameter in module.parameters())
        {
            parameter.copy_(randn_like(parameter).mul_(scale));
        }
    }

    public static double[] LogSoftmax(double[] logits)
    {
        var largest = logits.Max();
        var log = largest + Math.Log(logits.Sum(x => Math.Exp(x - largest)));
        return [.. logits.Select(x => x - log)];
    }

    public static double Dot(double[] a, double[] b) => a.Zip(b, (x, y) => x * y).Sum();
}
