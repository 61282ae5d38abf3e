using Moodle.Runtime;

namespace Moodle.Modalities;

/// <summary>How a network wants its pictures: resized, cropped, and each channel shifted and scaled.</summary>
/// <param name="Resize">Height and width to resize to, or only the length of the shorter side, the other following.</param>
/// <param name="Width">The width; null where <paramref name="Resize"/> is the shorter side.</param>
/// <param name="Filter">Pillow's number of the filter.</param>
/// <param name="Crop">The height and width that are cut from the middle; null for none.</param>
/// <param name="Scale">What a byte is multiplied by.</param>
/// <param name="Mean">Then subtracted, for each channel.</param>
/// <param name="Deviation">Then divided by, for each channel.</param>
public sealed record PicturePreprocessing(
    int Resize, int? Width, PictureFilter Filter, (int Height, int Width)? Crop, double Scale, IReadOnlyList<double> Mean, IReadOnlyList<double> Deviation)
{
    /// <summary>The name of the file in a network's folder.</summary>
    public const string FileName = "preprocessor_config.json";

    private const int Largest = 4096;

    /// <summary>What MobileNetV2 was trained for: shorter side 256, the middle 224, values from -1 to 1.</summary>
    public static PicturePreprocessing MobileNetV2 { get; } = new(256, null, PictureFilter.Bilinear, (224, 224), 1 / 255.0, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]);

    /// <summary>Height of the result.</summary>
    public int OutputHeight => Crop?.Height ?? Resize;

    /// <summary>Width of the result.</summary>
    public int OutputWidth => Crop?.Width ?? Width ?? Resize;

    /// <summary>Reads <c>preprocessor_config.json</c>.</summary>
    /// <exception cref="InputException">It is missing, damaged, or leaves the size open.</exception>
    public static PicturePreprocessing Read(string path)
    {
        var file = JsonFile.Read(path);
        double[] ones = [1, 1, 1];
        var normalize = file.Flag("do_normalize", true);
        var scale = file.Flag("do_rescale", true) ? file.Positive("rescale_factor", 1 / 255.0) : 1;
        var deviation = normalize ? file.Numbers("image_std", 3) ?? throw file.Problem("image_std", "is missing") : ones;
        if (deviation.Any(value => value <= 0))
        {
            throw file.Problem("image_std", "must hold numbers above 0");
        }

        if (!file.Flag("do_resize", true))
        {
            throw file.Problem("do_resize", "is false, but pictures are of many sizes; set it to true, with 'size'");
        }

        var (height, width) = Size(file, "size", out var shorter);
        var crops = file.Flag("do_center_crop", file.Has("crop_size"));
        (int, int)? crop = crops ? file.Has("crop_size") ? Size(file, "crop_size", out _) : (height, width) : null;
        if (file.Has("crop_pct") && !crops)
        {
            // The form of ConvNeXT and ResNet: resized to the size over this share, then cut, below 384 pixels; squeezed from there on.
            var share = file.Positive("crop_pct");
            if (share > 1)
            {
                throw file.Problem("crop_pct", "must be at most 1");
            }

            if (height < 384)
            {
                (crop, shorter, height) = ((height, height), true, (int)(height / share));
            }
            else
            {
                (shorter, width) = (false, height);
            }
        }

        if (shorter && crop is null)
        {
            throw file.Problem("size", "is a shorter side without a crop, which leaves pictures of different sizes; add 'crop_size'");
        }

        var filter = file.Whole("resample", 0, 5, 2);
        if (filter is 4 or 5)
        {
            throw file.Problem("resample", $"is {filter}; known are 0 (nearest), 1 (Lanczos), 2 (bilinear) and 3 (bicubic)");
        }

        return new PicturePreprocessing(height, shorter ? null : width, (PictureFilter)filter, crop, scale, normalize ? file.Numbers("image_mean", 3) ?? throw file.Problem("image_mean", "is missing") : [0, 0, 0], deviation);
    }

    // A number, or an object of height and width, or of shortest_edge. A number with a crop is the shorter side.
    private static (int Height, int Width) Size(JsonFile file, string name, out bool shorter)
    {
        shorter = false;
        if (file.KindOf(name) == System.Text.Json.JsonValueKind.Number)
        {
            shorter = name == "size" && file.Flag("do_center_crop", file.Has("crop_size"));
            var side = file.Whole(name, 1, Largest);
            return (side, side);
        }

        var size = file.Part(name) ?? throw file.Problem(name, "is missing");
        if (size.Has("shortest_edge"))
        {
            shorter = true;
            var side = size.Whole("shortest_edge", 1, Largest);
            return (side, side);
        }

        return (size.Whole("height", 1, Largest), size.Whole("width", 1, Largest));
    }
}

/// <summary>A filter for resizing pictures, by Pillow's numbers.</summary>
public enum PictureFilter
{
    /// <summary>The nearest pixel.</summary>
    Nearest = 0,

    /// <summary>Lanczos over three lobes.</summary>
    Lanczos = 1,

    /// <summary>Linear in both directions.</summary>
    Bilinear = 2,

    /// <summary>Cubic in both directions.</summary>
    Bicubic = 3,
}
