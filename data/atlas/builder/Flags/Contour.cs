namespace Atlas;

/// <summary>A point of a drawing: x to the right, y down.</summary>
internal readonly record struct Spot(double X, double Y)
{
    public static Spot operator +(Spot a, Spot b) => new(a.X + b.X, a.Y + b.Y);

    public static Spot operator -(Spot a, Spot b) => new(a.X - b.X, a.Y - b.Y);

    public static Spot operator *(Spot a, double scale) => new(a.X * scale, a.Y * scale);

    public double Length => Math.Sqrt(X * X + Y * Y);

    /// <summary>The spot at a distance from the origin, in degrees clockwise from straight up.</summary>
    public static Spot Polar(double radius, double degrees)
    {
        var (sin, cos) = Math.SinCos(degrees * Math.PI / 180);
        return new(radius * sin, -radius * cos);
    }
}

/// <summary>Outlines of the shapes that flags are made of; a closed outline is the list of its corners.</summary>
internal static class Contour
{
    /// <summary>A rectangle.</summary>
    public static Spot[] Box(double x, double y, double width, double height) =>
        [new(x, y), new(x + width, y), new(x + width, y + height), new(x, y + height)];

    /// <summary>An ellipse, as a polygon of so many corners that none is seen.</summary>
    public static Spot[] Ellipse(double x, double y, double radiusX, double radiusY) =>
        [.. Enumerable.Range(0, 120).Select(i => Spot.Polar(1, i * 3)).Select(spot => new Spot(x + spot.X * radiusX, y + spot.Y * radiusY))];

    /// <summary>A star; without an inner radius the regular one, in which the edges of every other point are in line.</summary>
    public static Spot[] Star(int points, double x, double y, double radius, double degrees, double? inner)
    {
        var ratio = inner ?? Math.Cos(2 * Math.PI / points) / Math.Cos(Math.PI / points);
        return [.. Enumerable.Range(0, 2 * points)
            .Select(i => new Spot(x, y) + Spot.Polar(i % 2 == 0 ? radius : radius * ratio, degrees + i * 180.0 / points))];
    }

    /// <summary>A disc without the part that a second disc covers, whose centre is moved away towards an angle.</summary>
    public static Spot[] Crescent(double x, double y, double radius, double offset, double cutRadius, double degrees)
    {
        // In the frame where the cut lies straight up: the circles meet where both distances hold.
        var up = (offset * offset + radius * radius - cutRadius * cutRadius) / (2 * offset);
        var outer = Math.Acos(Math.Clamp(up / radius, -1, 1)) * 180 / Math.PI;
        var inner = Math.Acos(Math.Clamp((up - offset) / cutRadius, -1, 1)) * 180 / Math.PI;
        var spots = new List<Spot>();
        for (var i = 0; i <= 80; i++)
        {
            spots.Add(Spot.Polar(radius, degrees + outer + (360 - 2 * outer) * i / 80));
        }

        for (var i = 0; i <= 80; i++)
        {
            spots.Add(Spot.Polar(offset, degrees) + Spot.Polar(cutRadius, degrees + 360 - inner - (360 - 2 * inner) * i / 80));
        }

        return [.. spots.Select(spot => spot + new Spot(x, y))];
    }

    /// <summary>A part of a ring between two angles.</summary>
    public static Spot[] Arc(double x, double y, double radius, double width, double from, double to) =>
    [
        .. Enumerable.Range(0, 61).Select(i => new Spot(x, y) + Spot.Polar(radius, from + (to - from) * i / 60)),
        .. Enumerable.Range(0, 61).Select(i => new Spot(x, y) + Spot.Polar(radius - width, to + (from - to) * i / 60)),
    ];

    /// <summary>A straight stroke with butt ends.</summary>
    public static Spot[] Line(Spot from, Spot to, double width)
    {
        var along = to - from;
        var across = new Spot(-along.Y, along.X) * (width / 2 / along.Length);
        return [from + across, to + across, to - across, from - across];
    }

    /// <summary>The spots of a smooth curve (Catmull-Rom) through the spots given.</summary>
    public static Spot[] Smooth(IReadOnlyList<Spot> through, bool closed)
    {
        var spots = new List<Spot>();
        var count = through.Count;
        for (var i = 0; i < (closed ? count : count - 1); i++)
        {
            var (a, b, c, d) = (At(i - 1), At(i), At(i + 1), At(i + 2));
            for (var step = 0; step < 8; step++)
            {
                var t = step / 8.0;
                spots.Add((b * 2 + (c - a) * t + (a * 2 - b * 5 + c * 4 - d) * (t * t) + (b * 3 - a - c * 3 + d) * (t * t * t)) * 0.5);
            }
        }

        if (!closed)
        {
            spots.Add(through[count - 1]);
        }

        return [.. spots];

        Spot At(int i) => through[closed ? (i + count) % count : Math.Clamp(i, 0, count - 1)];
    }

    /// <summary>What of a polygon lies in a rectangle (Sutherland and Hodgman).</summary>
    public static Spot[] Clip(Spot[] polygon, double x, double y, double width, double height)
    {
        polygon = Half(polygon, spot => spot.X - x);
        polygon = Half(polygon, spot => x + width - spot.X);
        polygon = Half(polygon, spot => spot.Y - y);
        return Half(polygon, spot => y + height - spot.Y);
    }

    private static Spot[] Half(Spot[] polygon, Func<Spot, double> inside)
    {
        var kept = new List<Spot>();
        for (var i = 0; i < polygon.Length; i++)
        {
            var (a, b) = (polygon[i], polygon[(i + 1) % polygon.Length]);
            var (da, db) = (inside(a), inside(b));
            if (da >= 0)
            {
                kept.Add(a);
            }

            if (da >= 0 != db >= 0)
            {
                kept.Add(a + (b - a) * (da / (da - db)));
            }
        }

        return [.. kept];
    }
}
