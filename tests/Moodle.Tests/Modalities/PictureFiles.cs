using NetVips;

namespace Moodle.Tests.Modalities;

/// <summary>Small pictures on disk.</summary>
internal static class PictureFiles
{
    /// <summary>A picture of one colour; 1 band is grey, 2 grey and alpha, 3 sRGB, 4 sRGB and alpha.</summary>
    public static string Write(string path, int width, int height, params byte[] colour)
    {
        var pixels = Enumerable.Range(0, width * height).SelectMany(_ => colour).ToArray();
        return WritePixels(path, width, height, colour.Length, pixels);
    }

    /// <summary>A picture from its bytes, row by row, bands innermost.</summary>
    public static string WritePixels(string path, int width, int height, int bands, byte[] pixels)
    {
        using var raw = Image.NewFromMemory(pixels, width, height, bands, Enums.BandFormat.Uchar);
        using var image = raw.Copy(interpretation: bands < 3 ? Enums.Interpretation.Bw : Enums.Interpretation.Srgb);
        image.WriteToFile(path);
        return path;
    }
}
