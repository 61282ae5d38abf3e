using NetVips;

namespace Moodle.Modalities;

/// <summary>Decodes picture files. The only file that knows the image library.</summary>
public static class PictureReader
{
    private const long MostPixels = 40_000_000;
    private const int MostLength = 1 << 15;
    private static readonly bool Configured = Configure();

    /// <summary>The image library and its version, for <c>moodle doctor</c>.</summary>
    /// <exception cref="DllNotFoundException">The native library is not there.</exception>
    public static string Library => $"libvips {NetVips.NetVips.Version(0)}.{NetVips.NetVips.Version(1)}.{NetVips.NetVips.Version(2)}";

    /// <summary>Decodes a picture to a square of 8-bit sRGB, transparency on white, squeezed to the square so that nothing is cut off.</summary>
    /// <param name="path">The file: any format that libvips reads.</param>
    /// <param name="size">Side of the square in pixels.</param>
    /// <param name="pixels">size × size × 3 bytes, row by row, channels innermost; untouched where decoding fails.</param>
    /// <param name="problem">Why the picture cannot be read.</param>
    /// <returns>Whether it was read.</returns>
    public static bool TryRead(string path, int size, Span<byte> pixels, out string? problem)
    {
        problem = Configured ? null : "";
        try
        {
            // Shrinks while it decodes, so memory is bounded by the target and not by the file.
            using var small = Image.Thumbnail(path, size, height: size, size: Enums.Size.Force, failOn: Enums.FailOn.Error);
            using var colour = small.Colourspace(Enums.Interpretation.Srgb);
            using var opaque = colour.HasAlpha() ? colour.Flatten(background: [255, 255, 255]) : colour.Copy();
            using var bytes = opaque.Cast(Enums.BandFormat.Uchar);
            var data = bytes.WriteToMemory<byte>();
            if (bytes.Bands != 3 || data.Length != pixels.Length)
            {
                problem = $"{bytes.Bands} colour bands where 3 were expected";
                return false;
            }

            data.CopyTo(pixels);
            return true;
        }
        catch (VipsException exception)
        {
            problem = exception.Message.ReplaceLineEndings(" ").Trim();
            return false;
        }
    }

    /// <summary>
    /// Decodes a picture as a network wants it, up to the normalisation of its channels: 8-bit sRGB without its transparency, turned as its
    /// EXIF data say, resized with the filter and cut from the middle; where it is smaller than the cut, the rest is black.
    /// </summary>
    /// <inheritdoc cref="TryRead(string, int, Span{byte}, out string?)"/>
    /// <param name="path">The file: any format that libvips reads.</param>
    /// <param name="preprocessing">The sizes and the filter.</param>
    /// <param name="pixels">height × width × 3 bytes, row by row, channels innermost; untouched where decoding fails.</param>
    /// <param name="problem">Why the picture cannot be read.</param>
    public static bool TryRead(string path, PicturePreprocessing preprocessing, Span<byte> pixels, out string? problem)
    {
        ArgumentNullException.ThrowIfNull(preprocessing);
        problem = Configured ? null : "";
        try
        {
            using var file = Image.NewFromFile(path, failOn: Enums.FailOn.Error);
            using var turned = file.Autorot();
            var (height, width) = preprocessing.Width is { } fixedWidth ? (preprocessing.Resize, fixedWidth) : Shorter(turned.Height, turned.Width, preprocessing.Resize);
            if (Math.Max(height, width) > MostLength)
            {
                problem = $"{turned.Width} × {turned.Height} pixels, which is a line and no picture";
                return false;
            }

            // A picture of hundreds of megapixels shrinks while it decodes, to no less than four times the target, where that is hardly seen.
            using var source = (long)turned.Height * turned.Width > MostPixels
                ? Image.Thumbnail(path, 4 * width, height: 4 * height, size: Enums.Size.Down, failOn: Enums.FailOn.Error)
                : turned.Copy();
            using var colour = source.Colourspace(Enums.Interpretation.Srgb);
            // What is transparent has a colour too, and it is this colour that networks were trained on.
            using var opaque = colour.HasAlpha() ? colour.ExtractBand(0, n: colour.Bands - 1) : colour.Copy();
            using var bytes = opaque.Cast(Enums.BandFormat.Uchar);
            if (bytes.Bands != 3)
            {
                problem = $"{bytes.Bands} colour bands where 3 were expected";
                return false;
            }

            PictureResampler.Resize(bytes.WriteToMemory<byte>(), (bytes.Height, bytes.Width), (height, width), preprocessing.Filter, pixels, (preprocessing.OutputHeight, preprocessing.OutputWidth));
            return true;
        }
        catch (VipsException exception)
        {
            problem = exception.Message.ReplaceLineEndings(" ").Trim();
            return false;
        }
    }

    private static (int Height, int Width) Shorter(int height, int width, int side) =>
        height <= width ? (side, (int)((long)side * width / height)) : ((int)((long)side * height / width), side);

    /// <summary>A small copy of a picture, transparency on white, its proportions kept, without what cameras and programs write beside it.</summary>
    /// <param name="path">The file: any format that libvips reads.</param>
    /// <param name="side">The longer side in pixels.</param>
    /// <returns>A WebP file, null where the picture cannot be read.</returns>
    public static byte[]? Thumbnail(string path, int side)
    {
        try
        {
            _ = Configured;
            using var small = Image.Thumbnail(path, side, height: side, failOn: Enums.FailOn.Error);
            using var colour = small.Colourspace(Enums.Interpretation.Srgb);
            using var opaque = colour.HasAlpha() ? colour.Flatten(background: [255, 255, 255]) : colour.Copy();
            return opaque.WebpsaveBuffer(q: 60, keep: Enums.ForeignKeep.None);
        }
        catch (VipsException)
        {
            return null;
        }
    }

    // One picture a call and many calls at once: the library's own threads and its operation cache only cost there.
    private static bool Configure()
    {
        NetVips.NetVips.Concurrency = 1;
        Cache.Max = 0;
        // What is wrong with a picture is told by TryRead; the library would print it a second time.
        Log.SetLogHandler("VIPS", Enums.LogLevelFlags.Warning, static (_, _, _) => { });
        return true;
    }
}
