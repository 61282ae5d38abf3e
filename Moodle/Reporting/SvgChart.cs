using System.Collections.Immutable;
using System.Globalization;

namespace Moodle.Reporting;

/// <summary>
/// Charts as inline SVG. Colours and fonts are the page's (classes s0 to s8), so that they follow light, dark and print. A branch has the same
/// colour in every chart, and lines differ by dashes (classes d0 to d4) as well.
/// CONTRIBUTING.md says why ScottPlot does not draw them.
/// </summary>
internal static class SvgChart
{
    private const double Width = 480;
    private const double Left = 54;
    private const double Right = 12;
    private const double Top = 22;
    private const double Plot = 200;
    private const double LegendRow = 20;
    private const int IntervalRow = 38;
    private const int FirstFree = 4;
    private const int Colours = 9;
    private static readonly string[] s_branches = ["structure", "text", "image"];

    /// <summary>Lines over a common axis.</summary>
    /// <param name="title">What is shown: read out, and not drawn.</param>
    /// <param name="xLabel">What runs to the right.</param>
    /// <param name="series">The lines; one is interrupted at a point that is no number, and on a logarithmic axis at one that is not positive.</param>
    /// <param name="logarithmic">Whether the upright axis is logarithmic.</param>
    /// <param name="marks">Upright lines with a name, such as the beginnings of stages.</param>
    public static Html Lines(string title, string xLabel, IReadOnlyList<Series> series, bool logarithmic = false, IReadOnlyList<(double X, string Name)>? marks = null)
    {
        bool IsDrawn((double X, double Y) point) => double.IsFinite(point.Y) && (!logarithmic || point.Y > 0);
        var kept = series.Where(line => line.Points.Any(IsDrawn)).ToArray();
        if (kept.Length == 0)
        {
            return new Html("");
        }

        var points = kept.SelectMany(line => line.Points).Where(IsDrawn).ToArray();
        var minX = points.Select(point => point.X).Concat((marks ?? []).Select(mark => mark.X)).Min();
        var maxX = Math.Max(points.Max(point => point.X), minX + 1);
        var ticks = logarithmic ? LogTicks(points.Min(point => point.Y), points.Max(point => point.Y)) : Ticks(Math.Min(0, points.Min(point => point.Y)), points.Max(point => point.Y));
        double Height(double y) => logarithmic ? Math.Log10(y) : y;
        double X(double x) => Left + ((x - minX) / (maxX - minX) * (Width - Left - Right));
        double Y(double y) => Top + Plot - ((Height(y) - Height(ticks[0])) / (Height(ticks[^1]) - Height(ticks[0])) * Plot);
        var svg = Begin(title, kept.Select(line => line.Name).ToArray(), out var height);
        Axis(svg, ticks, Y);
        foreach (var tick in Ticks(minX, maxX).Where(tick => tick >= minX && tick <= maxX))
        {
            svg.Add($"<text x=\"{X(tick):F1}\" y=\"{Top + Plot + 16:F1}\" text-anchor=\"middle\">{tick:0.##}</text>");
        }

        foreach (var (x, name) in marks ?? [])
        {
            svg.Add($"<line class=\"mark\" x1=\"{X(x):F1}\" x2=\"{X(x):F1}\" y1=\"{Top:F1}\" y2=\"{Top + Plot:F1}\"/><text class=\"mark\" x=\"{X(x) + 3:F1}\" y=\"{Top - 6:F1}\">{name}</text>");
        }

        for (var i = 0; i < kept.Length; i++)
        {
            var line = kept[i];
            var last = line.Points.Last(IsDrawn);
            svg.Add($"<g class=\"{Style(line.Name, i)}\"><title>{line.Name}: last {last.Y:G4} at {last.X:0.##}</title>");
            foreach (var stretch in Stretches(line.Points, IsDrawn))
            {
                var path = string.Join(' ', stretch.Select(point => FormattableString.Invariant($"{X(point.X):F1},{Y(point.Y):F1}")));
                svg.Add($"<polyline points=\"{path}\"/>");
            }

            svg.Add($"<circle cx=\"{X(last.X):F1}\" cy=\"{Y(last.Y):F1}\" r=\"3\"/></g>");
        }

        svg.Add($"<text x=\"{(Left + Width - Right) / 2:F1}\" y=\"{Top + Plot + 34:F1}\" text-anchor=\"middle\">{xLabel}</text>");
        return End(svg, kept.Select(line => line.Name).ToArray(), height);
    }

    /// <summary>Groups of upright bars.</summary>
    /// <param name="title">What is shown: read out, and not drawn.</param>
    /// <param name="groups">Names of the groups.</param>
    /// <param name="series">For each kind of bar its name and a share from 0 to 1 for every group.</param>
    public static Html Bars(string title, IReadOnlyList<string> groups, IReadOnlyList<(string Name, ImmutableArray<double> Shares)> series)
    {
        var ticks = Ticks(0, Math.Max(1e-9, series.SelectMany(bars => bars.Shares).Where(double.IsFinite).DefaultIfEmpty(1).Max()));
        double Y(double y) => Top + Plot - (y / ticks[^1] * Plot);
        var names = series.Select(bars => bars.Name).ToArray();
        var svg = Begin(title, names, out var height);
        Axis(svg, ticks, Y);
        var slot = (Width - Left - Right) / groups.Count;
        var bar = slot * 0.8 / series.Count;
        for (var group = 0; group < groups.Count; group++)
        {
            var x = Left + (group * slot);
            svg.Add($"<text x=\"{x + (slot / 2):F1}\" y=\"{Top + Plot + 16 + (group % 2 * 14):F1}\" text-anchor=\"middle\">{groups[group]}</text>");
            for (var i = 0; i < series.Count; i++)
            {
                var share = series[i].Shares[group];
                svg.Add($"<g class=\"{Style(series[i].Name, i)}\"><title>{series[i].Name}, {groups[group]}: {share:P1}</title><rect x=\"{x + (slot * 0.1) + (i * bar):F1}\" y=\"{Y(share):F1}\" width=\"{bar * 0.92:F1}\" height=\"{Top + Plot - Y(share):F1}\"/></g>");
            }
        }

        return End(svg, names, height);
    }

    /// <summary>Intervals below each other around an upright line at 0, each under its name.</summary>
    /// <param name="title">What is shown: read out, and not drawn.</param>
    /// <param name="xLabel">What runs to the right.</param>
    /// <param name="rows">For each its name, value, and the ends of its interval.</param>
    public static Html Intervals(string title, string xLabel, IReadOnlyList<(string Name, double Value, double Low, double High)> rows)
    {
        var ticks = Ticks(Math.Min(0, rows.Min(row => row.Low)), Math.Max(0, rows.Max(row => row.High)));
        double X(double x) => Right + ((x - ticks[0]) / (ticks[^1] - ticks[0]) * (Width - (2 * Right) - 24)) + 12;
        var bottom = (rows.Count * IntervalRow) + 8;
        var svg = new HtmlBuilder().Add($"<svg class=\"chart\" viewBox=\"0 0 {Width:F0} {bottom + 40:F0}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>");
        foreach (var tick in ticks)
        {
            svg.Add($"<line class=\"{(Math.Abs(tick) < 1e-12 ? "mark" : "grid")}\" x1=\"{X(tick):F1}\" x2=\"{X(tick):F1}\" y1=\"0\" y2=\"{bottom:F1}\"/><text x=\"{X(tick):F1}\" y=\"{bottom + 16:F1}\" text-anchor=\"middle\">{Label(tick)}</text>");
        }

        foreach (var ((name, value, low, high), row) in rows.Select((row, i) => (row, i)))
        {
            var y = (row * IntervalRow) + 26;
            svg.Add($"<g class=\"s1 d0\"><title>{name}: {value:+0.0000;-0.0000;0.0000}, {low:+0.0000;-0.0000;0.0000} to {high:+0.0000;-0.0000;0.0000}</title><line class=\"key\" x1=\"{X(low):F1}\" x2=\"{X(high):F1}\" y1=\"{y}\" y2=\"{y}\"/><circle cx=\"{X(value):F1}\" cy=\"{y}\" r=\"5\"/></g><text class=\"name\" x=\"{Right:F1}\" y=\"{y - 10}\">{name}</text>");
        }

        return svg.Add($"<text x=\"{Width / 2:F1}\" y=\"{bottom + 34:F1}\" text-anchor=\"middle\">{xLabel}</text></svg>").ToHtml();
    }

    private static IEnumerable<List<(double X, double Y)>> Stretches(IEnumerable<(double X, double Y)> points, Func<(double X, double Y), bool> isDrawn)
    {
        var stretch = new List<(double X, double Y)>();
        foreach (var point in points)
        {
            if (isDrawn(point))
            {
                stretch.Add(point);
            }
            else if (stretch.Count > 0)
            {
                yield return stretch;
                stretch = [];
            }
        }

        if (stretch.Count > 0)
        {
            yield return stretch;
        }
    }

    private static HtmlBuilder Begin(string title, string[] names, out double height)
    {
        height = Top + Plot + 44 + (LegendRow * Rows(names).Count);
        return new HtmlBuilder().Add($"<svg class=\"chart\" viewBox=\"0 0 {Width:F0} {height:F0}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>");
    }

    private static void Axis(HtmlBuilder svg, double[] ticks, Func<double, double> y)
    {
        foreach (var tick in ticks)
        {
            svg.Add($"<line class=\"grid\" x1=\"{Left:F1}\" x2=\"{Width - Right:F1}\" y1=\"{y(tick):F1}\" y2=\"{y(tick):F1}\"/><text x=\"{Left - 6:F1}\" y=\"{y(tick) + 4:F1}\" text-anchor=\"end\">{Label(tick)}</text>");
        }
    }

    private static Html End(HtmlBuilder svg, string[] names, double height)
    {
        var rows = Rows(names);
        for (var row = 0; row < rows.Count; row++)
        {
            foreach (var (name, i, x) in rows[row])
            {
                var y = height - (LegendRow * (rows.Count - row)) + 10;
                svg.Add($"<g class=\"{Style(name, i)}\"><line class=\"key\" x1=\"{x:F1}\" x2=\"{x + 22:F1}\" y1=\"{y:F1}\" y2=\"{y:F1}\"/></g><text x=\"{x + 27:F1}\" y=\"{y + 4:F1}\">{name}</text>");
            }
        }

        return svg.Add($"</svg>").ToHtml();
    }

    // Letters are about 7 wide at the size of the style sheet.
    private static List<List<(string Name, int Index, double X)>> Rows(string[] names)
    {
        var rows = new List<List<(string, int, double)>> { new() };
        var x = Left;
        for (var i = 0; i < names.Length; i++)
        {
            var width = 42 + (7.2 * names[i].Length);
            if (x + width > Width && rows[^1].Count > 0)
            {
                rows.Add([]);
                x = Left;
            }

            rows[^1].Add((names[i], i, x));
            x += width;
        }

        return rows;
    }

    /// <summary>The classes of a line: colours by branch, dashes by branch for its own line and by kind for its other terms.</summary>
    private static string Style(string name, int index)
    {
        var branch = Array.FindIndex(s_branches, prefix => name.StartsWith(prefix, StringComparison.Ordinal));
        var other = Array.FindIndex(s_branches, suffix => name.Length > suffix.Length && name.EndsWith(suffix, StringComparison.Ordinal));
        var colour = branch >= 0 ? branch + 1 : name is "fusion" or "fused" ? 0 : FirstFree + (index % (Colours - FirstFree));
        var dash = other >= 0 ? other : branch < 0 ? 0 : name == s_branches[branch] ? branch : name.EndsWith("_n3", StringComparison.Ordinal) ? 3 : 4;
        return FormattableString.Invariant($"s{colour} d{dash}");
    }

    /// <summary>Round numbers from one at or below the least to one at or above the most, five or so.</summary>
    internal static double[] Ticks(double least, double most)
    {
        var span = Math.Max(most - least, 1e-12);
        var unit = Math.Pow(10, Math.Floor(Math.Log10(span / 4)));
        var step = unit * new[] { 1, 2, 2.5, 5, 10 }.First(factor => span / (unit * factor) <= 5);
        var (first, last) = ((long)Math.Floor((least / step) + 1e-9), (long)Math.Ceiling((most / step) - 1e-9));
        return [.. Enumerable.Range(0, (int)Math.Max(2, last - first + 1)).Select(i => (first + i) * step)];
    }

    private static double[] LogTicks(double least, double most)
    {
        var (first, last) = ((int)Math.Floor(Math.Log10(least)), (int)Math.Ceiling(Math.Log10(most)));
        var step = Math.Max(1, (last - first) / 5);
        return [.. Enumerable.Range(0, Math.Max(2, ((last - first + step - 1) / step) + 1)).Select(i => Math.Pow(10, first + (i * step)))];
    }

    private static string Label(double tick) => (Math.Abs(tick) is >= 1e5 or (> 0 and < 1e-3) ? tick.ToString("0.#e0", CultureInfo.InvariantCulture) : tick.ToString("0.####", CultureInfo.InvariantCulture));
}
