using Moodle.Tests.Encoders.Pretrained;

namespace Moodle.Tests.Training;

/// <summary>Folders of very small pre-trained encoders.</summary>
internal static class TinyEncoders
{
    public const int Positions = 30;

    /// <summary>BERT over letters.</summary>
    public static string Text(string folder, int positions = Positions)
    {
        string[] signs = [.. "abcdefghijklmnopqrstuvwxyz0123456789".Select(sign => sign.ToString())];
        string[] pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", .. signs, .. signs.Select(sign => "##" + sign)];
        TextModelTests.Bert("bert", positions, pieces.Length).WriteFolder(folder, TextModelTests.BertConfig("bert", positions, pieces.Length));
        File.WriteAllLines(Path.Combine(folder, "vocab.txt"), pieces);
        return folder;
    }

    /// <summary>ViT over pictures of 8 × 8 pixels.</summary>
    public static string Image(string folder)
    {
        ImageModelTests.Transformer("vit").WriteFolder(folder, ImageModelTests.TransformerConfig("vit"));
        File.WriteAllText(Path.Combine(folder, "preprocessor_config.json"), """{"size": {"height": 8, "width": 8}, "resample": 3, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}""");
        return folder;
    }
}
