using NetVips;

namespace Moodle.Modalities;

/// <summary>Decodes picture files. The only file that knows the image library.</summary>
public static class PictureReader
{
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
