namespace Moodle.Modalities;

/// <summary>
/// Resizes pictures as Pillow does, to the last bit, since networks were trained on what Pillow gave them and notice another library's:
/// first along rows, then along columns, each a weighted sum in fixed point over a window that grows where the picture shrinks, rounded
/// to bytes in between.
/// </summary>
internal static class PictureResampler
{
    private const int Bits = 22;
    private const int Half = 1 << (Bits - 1);

    /// <summary>Resizes, and cuts a window from the result; what of the window lies outside is black.</summary>
    /// <param name="source">height × width × 3 bytes.</param>
    /// <param name="from">The source's height and width.</param>
    /// <param name="to">The height and width to resize to.</param>
    /// <param name="filter">How.</param>
    /// <param name="target">window height × width × 3 bytes.</param>
    /// <param name="window">Height and width of what is cut from the middle.</param>
    public static void Resize(ReadOnlySpan<byte> source, (int Height, int Width) from, (int Height, int Width) to, PictureFilter filter, Span<byte> target, (int Height, int Width) window)
    {
        var (top, left) = (Begin(to.Height, window.Height), Begin(to.Width, window.Width));
        var (rows, columns) = (Weights(from.Height, to.Height, filter, top, window.Height), Weights(from.Width, to.Width, filter, left, window.Width));
        target.Clear();
        if (rows.Length == 0 || columns.Length == 0)
        {
            return;
        }

        // Only the rows that the second pass looks at.
        var (first, end) = (rows.Min(row => row.First), rows.Max(row => row.First + row.Weights.Length));
        var width = columns.Length * 3;
        var between = new byte[(end - first) * width];
        for (var y = first; y < end; y++)
        {
            var line = source.Slice(y * from.Width * 3, from.Width * 3);
            var output = between.AsSpan((y - first) * width, width);
            for (var x = 0; x < columns.Length; x++)
            {
                var (begin, weights) = columns[x];
                int red = Half, green = Half, blue = Half;
                for (var (i, at) = (0, begin * 3); i < weights.Length; i++, at += 3)
                {
                    red += line[at] * weights[i];
                    green += line[at + 1] * weights[i];
                    blue += line[at + 2] * weights[i];
                }

                (output[3 * x], output[(3 * x) + 1], output[(3 * x) + 2]) = (Byte(red), Byte(green), Byte(blue));
            }
        }

        var (intoRow, intoColumn) = (Math.Max(0, -top), Math.Max(0, -left) * 3);
        var sums = new int[width];
        for (var y = 0; y < rows.Length; y++)
        {
            var (begin, weights) = rows[y];
            sums.AsSpan().Fill(Half);
            for (var i = 0; i < weights.Length; i++)
            {
                var line = between.AsSpan((begin - first + i) * width, width);
                for (var x = 0; x < width; x++)
                {
                    sums[x] += line[x] * weights[i];
                }
            }

            var output = target.Slice(((intoRow + y) * window.Width * 3) + intoColumn, width);
            for (var x = 0; x < width; x++)
            {
                output[x] = Byte(sums[x]);
            }
        }
    }

    private static byte Byte(int sum) => (byte)Math.Clamp(sum >> Bits, 0, 255);

    // Where a window begins; before the picture where that is smaller.
    private static int Begin(int length, int window) => length >= window ? (length - window) / 2 : -((window - length) / 2);

    // For each position of the window that lies in the picture: the first source position and the weights from there.
    private static (int First, int[] Weights)[] Weights(int from, int to, PictureFilter filter, int begin, int count)
    {
        var scale = (double)from / to;
        var (reach, kernel) = Kernel(filter);
        var stretch = Math.Max(1, scale);
        var result = new List<(int, int[])>(count);
        for (var position = Math.Max(0, begin); position < Math.Min(to, begin + count); position++)
        {
            var centre = (position + 0.5) * scale;
            if (filter == PictureFilter.Nearest)
            {
                result.Add((Math.Min(from - 1, (int)centre), [1 << Bits]));
                continue;
            }

            var (first, end) = (Math.Max(0, (int)(centre - (reach * stretch) + 0.5)), Math.Min(from, (int)(centre + (reach * stretch) + 0.5)));
            var weights = new double[end - first];
            for (var i = 0; i < weights.Length; i++)
            {
                weights[i] = kernel((i + first - centre + 0.5) / stretch);
            }

            var total = weights.Sum();
            result.Add((first, Array.ConvertAll(weights, weight => (int)Math.Round(weight / total * (1 << Bits), MidpointRounding.AwayFromZero))));
        }

        return [.. result];
    }

    private static (double Reach, Func<double, double> Kernel) Kernel(PictureFilter filter) => filter switch
    {
        PictureFilter.Bicubic => (2, x => Math.Abs(x) switch
        {
            < 1 and var a => (((1.5 * a) - 2.5) * a * a) + 1,
            < 2 and var a => (((((-0.5 * a) + 2.5) * a) - 4) * a) + 2,
            _ => 0,
        }),
        PictureFilter.Lanczos => (3, x => Math.Abs(x) < 3 ? Sinc(x) * Sinc(x / 3) : 0),
        _ => (1, x => Math.Max(0, 1 - Math.Abs(x))),
    };

    private static double Sinc(double x) => x == 0 ? 1 : Math.Sin(Math.PI * x) / (Math.PI * x);
}
