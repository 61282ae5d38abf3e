namespace Moodle.Tests.Encoders.Pretrained;

/// <summary>Layers in float64 by plain loops, written from the papers' formulas and not from the code under test.</summary>
internal static class Reference
{
    /// <summary>x Wᵀ + b for rows x.</summary>
    public static double[][] Linear(double[][] x, double[] weight, double[]? bias)
    {
        var (inputs, outputs) = (x[0].Length, weight.Length / x[0].Length);
        return Array.ConvertAll(x, row => Enumerable.Range(0, outputs).Select(o => (bias?[o] ?? 0) + Enumerable.Range(0, inputs).Sum(i => weight[(o * inputs) + i] * row[i])).ToArray());
    }

    public static double[][] Linear(double[][] x, KnownWeights weights, string name) =>
        Linear(x, weights[name + ".weight"], weights.Has(name + ".bias") ? weights[name + ".bias"] : null);

    public static double[][] Norm(double[][] x, KnownWeights weights, string name, double epsilon) => Array.ConvertAll(x, row =>
    {
        var mean = row.Average();
        var deviation = Math.Sqrt(row.Average(value => (value - mean) * (value - mean)) + epsilon);
        return row.Select((value, i) => ((value - mean) / deviation * weights[name + ".weight"][i]) + (weights.Has(name + ".bias") ? weights[name + ".bias"][i] : 0)).ToArray();
    });

    /// <summary>Multi-head attention over one sequence; a pair may have a bias, and is left out where that is null.</summary>
    public static double[][] Attention(double[][] query, double[][] key, double[][] value, int heads, Func<int, int, int, double?>? bias = null)
    {
        var (length, size) = (query.Length, query[0].Length / heads);
        var output = query.Select(row => new double[row.Length]).ToArray();
        for (var h = 0; h < heads; h++)
        {
            for (var i = 0; i < length; i++)
            {
                var scores = new double[length];
                for (var j = 0; j < length; j++)
                {
                    var dot = Enumerable.Range(h * size, size).Sum(c => query[i][c] * key[j][c]);
                    scores[j] = bias is null ? Math.Exp(dot / Math.Sqrt(size)) : bias(h, i, j) is { } added ? Math.Exp((dot / Math.Sqrt(size)) + added) : 0;
                }

                foreach (var c in Enumerable.Range(h * size, size))
                {
                    output[i][c] = Enumerable.Range(0, length).Sum(j => scores[j] * value[j][c]) / scores.Sum();
                }
            }
        }

        return output;
    }

    public static double[][] Add(double[][] x, double[][] y) => [.. x.Zip(y, (a, b) => a.Zip(b, (p, q) => p + q).ToArray())];

    public static double[][] Map(double[][] x, Func<double, double> function) => Array.ConvertAll(x, row => Array.ConvertAll(row, value => function(value)));

    /// <summary>x Φ(x), the error function by its series.</summary>
    public static double Gelu(double x)
    {
        var (z, sum) = (x / Math.Sqrt(2), 0.0);
        var term = z;
        for (var n = 0; n < 200; n++)
        {
            sum += term / ((2 * n) + 1);
            term *= -z * z / (n + 1);
        }

        return x * 0.5 * (1 + (2 / Math.Sqrt(Math.PI) * sum));
    }

    /// <summary>A convolution over [channel][row][column] with borders of zeros.</summary>
    public static double[][][] Convolution(double[][][] x, double[] weight, double[]? bias, int outputs, int side, int stride, (int Top, int Left, int Bottom, int Right) border, int groups = 1)
    {
        var (inputs, height, width) = (x.Length / groups, x[0].Length, x[0][0].Length);
        var (rows, columns) = (((height + border.Top + border.Bottom - side) / stride) + 1, ((width + border.Left + border.Right - side) / stride) + 1);
        return [.. Enumerable.Range(0, outputs).Select(o => Enumerable.Range(0, rows).Select(r => Enumerable.Range(0, columns).Select(c =>
        {
            var sum = bias?[o] ?? 0;
            for (var i = 0; i < inputs; i++)
            {
                var channel = x[(o / (outputs / groups) * inputs) + i];
                for (var a = 0; a < side; a++)
                {
                    for (var b = 0; b < side; b++)
                    {
                        var (y, z) = ((r * stride) + a - border.Top, (c * stride) + b - border.Left);
                        sum += y >= 0 && y < height && z >= 0 && z < width ? channel[y][z] * weight[(((((o * inputs) + i) * side) + a) * side) + b] : 0;
                    }
                }
            }

            return sum;
        }).ToArray()).ToArray())];
    }

    /// <summary>Batch normalisation with stored statistics.</summary>
    public static double[][][] BatchNorm(double[][][] x, KnownWeights weights, string name, double epsilon) => [.. x.Select((channel, c) => Array.ConvertAll(channel, row => Array.ConvertAll(row, value =>
        ((value - weights[name + ".running_mean"][c]) / Math.Sqrt(weights[name + ".running_var"][c] + epsilon) * weights[name + ".weight"][c]) + weights[name + ".bias"][c])))];

    public static double[][][] Map(double[][][] x, Func<double, double> function) => Array.ConvertAll(x, channel => Map(channel, function));

    public static double[] Mean(double[][][] x) => Array.ConvertAll(x, channel => channel.Average(row => row.Average()));
}
