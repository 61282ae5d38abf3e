namespace Atlas;

/// <summary>
/// Draws what a cell of <c>flags.csv</c> or <c>emblems.csv</c> says: strokes separated by bars, each a word and its
/// arguments, later ones over earlier ones. Lengths are in hundredths of the flag's height (<c>50%</c>: of its width);
/// angles in degrees clockwise from straight up; colours are <c>#RRGGBB</c>, <c>white</c>, <c>black</c> or, in an emblem,
/// <c>$1</c> to <c>$9</c>. In an emblem the origin is its middle and it reaches from -50 to 50. README.md lists the strokes.
/// </summary>
internal sealed class Drawing(Canvas canvas, double width, IReadOnlyDictionary<string, string> emblems)
{
    /// <summary>Where an emblem lies on the flag: turned, scaled, moved.</summary>
    private readonly record struct Frame(Spot Origin, double Scale, double Mirror, double Degrees)
    {
        public Spot Map(Spot spot)
        {
            var (sin, cos) = Math.SinCos(Degrees * Math.PI / 180);
            var x = spot.X * Mirror;
            return Origin + new Spot(x * cos - spot.Y * sin, x * sin + spot.Y * cos) * Scale;
        }
    }

    /// <summary>Draws on the whole flag.</summary>
    /// <exception cref="FormatException">The text holds a mistake.</exception>
    public void Run(string text) => Run(text, new(default, 1, 1, 0), []);

    private void Run(string text, Frame frame, string[] colours)
    {
        foreach (var stroke in text.Split('|', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            try
            {
                Stroke(new(stroke, width, colours), frame);
            }
            catch (Exception e) when (e is FormatException or IndexOutOfRangeException or KeyNotFoundException)
            {
                throw new FormatException($"'{stroke}': {e.Message}", e);
            }
        }
    }

    private void Stroke(Arguments args, Frame frame)
    {
        switch (args.Word)
        {
            case "fill":
                Bands([(args.Colour(), 1)], vertical: false, frame);
                break;
            case "h":
            case "v":
                Bands(args.Bands(), args.Word == "v", frame);
                break;
            case "rect":
                Fill(frame, args, Contour.Box(args.Number(), args.Number(), args.Number(), args.Number()));
                break;
            case "poly":
                FillLast(frame, args.Colour(), [.. args.Spots()]);
                break;
            case "blob":
                FillLast(frame, args.Colour(), Contour.Smooth(args.Spots(), closed: true));
                break;
            case "tri":
                Fill(frame, args, [new Spot(0, 0), new Spot(args.Number(), 50), new Spot(0, 100)]);
                break;
            case "cross":
                Cross(args, frame);
                break;
            case "saltire":
                Saltire(args, frame);
                break;
            case "line":
                Fill(frame, args, Contour.Line(args.Spot(), args.Spot(), args.Number()));
                break;
            case "pen":
                Pen(args.Number(), args.Colour(), args.Spots(), frame);
                break;
            case "curve":
                Pen(args.Number(), args.Colour(), Contour.Smooth(args.Spots(), closed: false), frame);
                break;
            case "disc":
                Disc(args, frame);
                break;
            case "ellipse":
                Fill(frame, args, Contour.Ellipse(args.Number(), args.Number(), args.Number(), args.Number()));
                break;
            case "ring":
                Ring(args, frame);
                break;
            case "arc":
                Fill(frame, args, Contour.Arc(args.Number(), args.Number(), args.Number(), args.Number(), args.Number(), args.Number()));
                break;
            case "star":
                Star(args, frame);
                break;
            case "stars":
                Stars(args, frame);
                break;
            case "rays":
                Rays(args, frame);
                break;
            case "crescent":
                Fill(frame, args, Contour.Crescent(args.Number(), args.Number(), args.Number(), args.Number(), args.Number(), args.Number()));
                break;
            case "zigzag":
                Zigzag(args, frame);
                break;
            case "wave":
                Wave(args, frame);
                break;
            case "border":
                Border(args, frame);
                break;
            case "jack":
                Jack(args.Number(), args.Number(), args.Number(), args.Number(), frame);
                break;
            case "use":
                Use(args.Text(), new(frame.Map(args.Spot()), frame.Scale * args.Number() / 100, frame.Mirror, frame.Degrees), args);
                break;
            case "mirror":
                Use(args.Text(), new(frame.Map(args.Spot()), frame.Scale * args.Number() / 100, -frame.Mirror, frame.Degrees), args);
                break;
            case "turn":
                var degrees = args.Number();
                Use(args.Text(), new(frame.Map(args.Spot()), frame.Scale * args.Number() / 100, frame.Mirror, frame.Degrees + degrees * frame.Mirror), args);
                break;
            case "around":
                Around(args, frame);
                break;
            default:
                throw new FormatException($"there is no stroke '{args.Word}'");
        }

        args.End();
    }

    private void FillLast(Frame frame, int colour, params Spot[][] outlines) =>
        canvas.Fill([.. outlines.Select(outline => outline.Select(frame.Map).ToArray())], colour);

    // The colour follows the numbers, which the caller has taken by now.
    private void Fill(Frame frame, Arguments args, params Spot[][] outlines) => FillLast(frame, args.Colour(), outlines);

    private void Bands(IReadOnlyList<(int Colour, double Weight)> bands, bool vertical, Frame frame)
    {
        var total = bands.Sum(band => band.Weight);
        var at = 0.0;
        foreach (var (colour, weight) in bands)
        {
            var share = weight / total;
            FillLast(frame, colour, vertical
                ? Contour.Box(at * width, 0, share * width, 100)
                : Contour.Box(0, at * 100, width, share * 100));
            at += share;
        }
    }

    private void Cross(Arguments args, Frame frame)
    {
        var (x, y, thick) = (args.Number(), args.Number(), args.Number());
        var colour = args.Colour();
        FillLast(frame, colour, Contour.Box(x - thick / 2, 0, thick, 100));
        FillLast(frame, colour, Contour.Box(0, y - thick / 2, width, thick));
    }

    private void Saltire(Arguments args, Frame frame)
    {
        var thick = args.Number();
        var colour = args.Colour();
        FillLast(frame, colour, Contour.Line(new(-width, -100), new(2 * width, 200), thick));
        FillLast(frame, colour, Contour.Line(new(-width, 200), new(2 * width, -100), thick));
    }

    private void Pen(double thick, int colour, IReadOnlyList<Spot> spots, Frame frame)
    {
        foreach (var (from, to) in spots.Zip(spots.Skip(1)).Where(pair => (pair.Second - pair.First).Length > 1e-9))
        {
            FillLast(frame, colour, Contour.Line(from, to, thick));
        }

        foreach (var spot in spots)
        {
            FillLast(frame, colour, Contour.Ellipse(spot.X, spot.Y, thick / 2, thick / 2));
        }
    }

    private void Disc(Arguments args, Frame frame)
    {
        var (x, y, radius) = (args.Number(), args.Number(), args.Number());
        Fill(frame, args, Contour.Ellipse(x, y, radius, radius));
    }

    private void Ring(Arguments args, Frame frame)
    {
        var (x, y, radius, thick) = (args.Number(), args.Number(), args.Number(), args.Number());
        Fill(frame, args, Contour.Ellipse(x, y, radius, radius), Contour.Ellipse(x, y, radius - thick, radius - thick));
    }

    private void Star(Arguments args, Frame frame)
    {
        var (points, x, y, radius) = ((int)args.Number(), args.Number(), args.Number(), args.Number());
        var colour = args.Colour();
        var degrees = args.Number(0);
        FillLast(frame, colour, Contour.Star(points, x, y, radius, degrees, args.Optional()));
    }

    private void Stars(Arguments args, Frame frame)
    {
        var (points, radius) = ((int)args.Number(), args.Number());
        var colour = args.Colour();
        foreach (var spot in args.Spots())
        {
            FillLast(frame, colour, Contour.Star(points, spot.X, spot.Y, radius, 0, null));
        }
    }

    private void Rays(Arguments args, Frame frame)
    {
        var (count, x, y) = ((int)args.Number(), args.Number(), args.Number());
        var (from, to, thick) = (args.Number(), args.Number(), args.Number());
        var colour = args.Colour();
        var degrees = args.Number(0);
        var tip = args.Number(0);
        for (var i = 0; i < count; i++)
        {
            var along = Spot.Polar(1, degrees + i * 360.0 / count);
            var across = new Spot(-along.Y, along.X);
            var middle = new Spot(x, y);
            FillLast(frame, colour,
            [
                middle + along * from + across * (thick / 2), middle + along * to + across * (tip / 2),
                middle + along * to - across * (tip / 2), middle + along * from - across * (thick / 2),
            ]);
        }
    }

    private void Zigzag(Arguments args, Frame frame)
    {
        // The hoist's side up to x, then so many teeth of a depth.
        var (x, depth, teeth) = (args.Number(), args.Number(), (int)args.Number());
        var spots = new List<Spot> { new(0, 0), new(x, 0) };
        for (var i = 0; i < teeth; i++)
        {
            spots.Add(new(x + depth, (i + 0.5) * 100 / teeth));
            spots.Add(new(x, (i + 1) * 100.0 / teeth));
        }

        Fill(frame, args, [.. spots, new(0, 100)]);
    }

    private void Wave(Arguments args, Frame frame)
    {
        var (y, thick, swing, period) = (args.Number(), args.Number(), args.Number(), args.Number());
        var (left, right) = (args.Number(0), args.Number(width));
        var xs = Enumerable.Range(0, 121).Select(i => left + (right - left) * i / 120).ToList();
        Fill(frame, args,
        [
            .. xs.Select(x => new Spot(x, y - thick / 2 + swing * Math.Sin(2 * Math.PI * x / period))),
            .. xs.AsEnumerable().Reverse().Select(x => new Spot(x, y + thick / 2 + swing * Math.Sin(2 * Math.PI * x / period))),
        ]);
    }

    private void Border(Arguments args, Frame frame)
    {
        var thick = args.Number();
        Fill(frame, args, Contour.Box(0, 0, width, 100), Contour.Box(thick, thick, width - 2 * thick, 100 - 2 * thick));
    }

    /// <summary>The Union Jack in a rectangle twice as wide as high, or as near as the flag wants it.</summary>
    private void Jack(double left, double top, double wide, double high, Frame frame)
    {
        const int Blue = 0x012169;
        const int White = 0xFFFFFF;
        const int Red = 0xC8102E;
        var unit = high / 30;
        var middle = new Spot(left + wide / 2, top + high / 2);
        var corners = Contour.Box(left, top, wide, high);
        FillLast(frame, Blue, corners);
        foreach (var corner in corners)
        {
            FillLast(frame, White, Clip(Contour.Line(middle, middle + (corner - middle) * 1.5, 6 * unit)));
        }

        foreach (var corner in corners)
        {
            // Saint Patrick's cross lies on the clockwise side of each arm.
            var along = corner - middle;
            var across = new Spot(-along.Y, along.X) * (2 * unit / along.Length);
            var far = middle + along * 1.5;
            FillLast(frame, Red, Clip([middle, far, far - across, middle - across]));
        }

        FillLast(frame, White, Contour.Box(middle.X - 5 * unit, top, 10 * unit, high));
        FillLast(frame, White, Contour.Box(left, middle.Y - 5 * unit, wide, 10 * unit));
        FillLast(frame, Red, Contour.Box(middle.X - 3 * unit, top, 6 * unit, high));
        FillLast(frame, Red, Contour.Box(left, middle.Y - 3 * unit, wide, 6 * unit));

        Spot[] Clip(Spot[] polygon) => Contour.Clip(polygon, left, top, wide, high);
    }

    private void Use(string name, Frame frame, Arguments args)
    {
        var colours = new List<string>();
        while (args.More)
        {
            colours.Add(args.ColourText());
        }

        Run(emblems.TryGetValue(name, out var text) ? text : throw new FormatException($"there is no emblem '{name}'"), frame, [.. colours]);
    }

    private void Around(Arguments args, Frame frame)
    {
        var (count, middle, radius) = ((int)args.Number(), args.Spot(), args.Number());
        var (from, to) = (args.Number(), args.Number());
        var turn = args.Text() switch
        {
            "upright" => 0,
            "outward" => 1,
            var other => throw new FormatException($"'{other}' is neither upright nor outward"),
        };
        var (name, size) = (args.Text(), args.Number());
        var colours = args.Rest();
        for (var i = 0; i < count; i++)
        {
            var degrees = from + (to - from) * i / (Math.Abs(to - from) == 360 ? count : Math.Max(1, count - 1));
            var place = frame.Map(middle + Spot.Polar(radius, degrees));
            Use(name, new(place, frame.Scale * size / 100, frame.Mirror, frame.Degrees + turn * degrees * frame.Mirror), colours.Again());
        }
    }
}
