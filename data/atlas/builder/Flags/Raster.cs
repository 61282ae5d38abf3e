using NetVips;

namespace Atlas;

/// <summary>A picture of 8-bit RGB pixels.</summary>
internal sealed class Raster
{
    /// <summary>Creates a picture from pixels in rows, three bytes each.</summary>
    public Raster(int width, int height, byte[] pixels) => (Width, Height, Pixels) = (width, height, pixels);

    /// <summary>Width in pixels.</summary>
    public int Width { get; }

    /// <summary>Height in pixels.</summary>
    public int Height { get; }

    /// <summary>Rows of red, green and blue.</summary>
    public byte[] Pixels { get; }

    /// <summary>Reads a PNG file.</summary>
    public static Raster FromPng(string path) => FromPng(File.ReadAllBytes(path));

    /// <summary>Reads PNG bytes.</summary>
    public static Raster FromPng(byte[] png)
    {
        using var image = Image.NewFromBuffer(png);
        return image.Bands == 3
            ? new(image.Width, image.Height, image.WriteToMemory<byte>())
            : throw new InvalidDataException($"a picture of {image.Bands} bands, expected red, green and blue");
    }

    /// <summary>The picture as PNG.</summary>
    public byte[] ToPng()
    {
        using var image = Image.NewFromMemory(Pixels, Width, Height, 3, Enums.BandFormat.Uchar);
        using var srgb = image.Copy(interpretation: Enums.Interpretation.Srgb);
        return srgb.PngsaveBuffer(compression: 9, filter: Enums.ForeignPngFilter.None, keep: Enums.ForeignKeep.None);
    }

    /// <summary>Whether two pictures have the same size and pixels.</summary>
    public bool SamePixels(Raster other) => Width == other.Width && Height == other.Height && Pixels.AsSpan().SequenceEqual(other.Pixels);
}

/// <summary>Fills polygons, each over what was there, with four by four samples to a pixel.</summary>
internal sealed class Canvas
{
    private const int Samples = 4;

    private readonly int _width;
    private readonly int _height;
    private readonly double _scaleX;
    private readonly double _scaleY;
    private readonly int[] _colours;

    /// <summary>Creates a white canvas.</summary>
    /// <param name="width">Width in pixels.</param>
    /// <param name="height">Height in pixels.</param>
    /// <param name="unitsWide">How many units of the drawing the width has.</param>
    /// <param name="unitsHigh">How many units of the drawing the height has.</param>
    public Canvas(int width, int height, double unitsWide, double unitsHigh)
    {
        (_width, _height) = (width * Samples, height * Samples);
        (_scaleX, _scaleY) = (_width / unitsWide, _height / unitsHigh);
        _colours = new int[_width * _height];
        Array.Fill(_colours, 0xFFFFFF);
    }

    /// <summary>Fills what an odd number of the outlines encloses.</summary>
    public void Fill(IReadOnlyList<Spot[]> outlines, int colour)
    {
        var edges = new List<(Spot From, Spot To)>();
        foreach (var outline in outlines)
        {
            for (var i = 0; i < outline.Length; i++)
            {
                var (from, to) = (Place(outline[i]), Place(outline[(i + 1) % outline.Length]));
                if (from.Y != to.Y)
                {
                    edges.Add(from.Y < to.Y ? (from, to) : (to, from));
                }
            }
        }

        if (edges.Count == 0)
        {
            return;
        }

        var crossings = new List<double>();
        var first = Math.Max(0, (int)Math.Floor(edges.Min(edge => edge.From.Y)));
        var last = Math.Min(_height - 1, (int)Math.Ceiling(edges.Max(edge => edge.To.Y)));
        for (var row = first; row <= last; row++)
        {
            var y = row + 0.5;
            crossings.Clear();
            foreach (var (from, to) in edges)
            {
                if (from.Y <= y && y < to.Y)
                {
                    crossings.Add(from.X + (to.X - from.X) * ((y - from.Y) / (to.Y - from.Y)));
                }
            }

            crossings.Sort();
            for (var i = 0; i + 1 < crossings.Count; i += 2)
            {
                var begin = Math.Clamp((int)Math.Ceiling(crossings[i] - 0.5), 0, _width);
                var end = Math.Clamp((int)Math.Ceiling(crossings[i + 1] - 0.5), begin, _width);
                _colours.AsSpan(row * _width + begin, end - begin).Fill(colour);
            }
        }
    }

    /// <summary>The picture: every pixel the mean of its samples.</summary>
    public Raster Finish()
    {
        var (width, height) = (_width / Samples, _height / Samples);
        var pixels = new byte[width * height * 3];
        for (var at = 0; at < width * height; at++)
        {
            var corner = at / width * Samples * _width + at % width * Samples;
            var (red, green, blue) = (0, 0, 0);
            for (var i = 0; i < Samples * Samples; i++)
            {
                var colour = _colours[corner + i / Samples * _width + i % Samples];
                red += colour >> 16;
                green += colour >> 8 & 255;
                blue += colour & 255;
            }

            const int Count = Samples * Samples;
            pixels[at * 3] = (byte)((red + Count / 2) / Count);
            pixels[at * 3 + 1] = (byte)((green + Count / 2) / Count);
            pixels[at * 3 + 2] = (byte)((blue + Count / 2) / Count);
        }

        return new(width, height, pixels);
    }

    // Rounded, so that the last bits of a sine, which differ between machines, decide no sample.
    private Spot Place(Spot spot) => new(Math.Round(spot.X * _scaleX * 4096) / 4096, Math.Round(spot.Y * _scaleY * 4096) / 4096);
}
