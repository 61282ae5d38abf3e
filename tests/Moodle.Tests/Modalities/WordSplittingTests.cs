using Moodle.Modalities;

namespace Moodle.Tests.Modalities;

[TestClass]
public sealed class WordSplittingTests
{
    [TestMethod]
    [DataRow("Paris is the Capital of France.", "paris|is|the|capital|of|france|.")]
    [DataRow("Café Zürich, São Tomé & Príncipe", null)]
    [DataRow("don't stop: 3,000 (north-west) #1", "don|'|t|stop|:|3|,|000|(|north|-|west|)|#|1")]
    [DataRow("hard\u00a0and\u2003wide  spaces ", "hard|and|wide|spaces")]
    [DataRow("“quoted” – dash… ¿qué? «oui»", null)]
    [DataRow("Straße ŒUVRE Łódź Tiếng Việt", null)]
    [DataRow("Йошкар-Ола ΑΘΉΝΑΣ", null)]
    [DataRow("first\tsecond\r\nthird", "first|second|third")]
    [DataRow("<http://dbpedia.org/resource/New_York_City>", "<|http|:|/|/|dbpedia|.|org|/|resource|/|new|_|york|_|city|>")]
    [DataRow("$5 = x<y> ~ ^ ` | €7 km² ©", "$|5|=|x|<|y|>|~|^|`|||€7|km²|©")]
    [DataRow("東京 हिन्दी 😀 𐐀", null)]
    [DataRow("soft\u00adhyphen zero\u200bwidth nel\u0085x nul\0x", "softhyphen|zerowidth|nel|x|nul|x")]
    [DataRow("[UNK] [PAD]", "[|unk|]|[|pad|]")]
    [DataRow("서울 대한민국 パリ العربيّة ไทย", null)]
    public void Words_AreTheTokenizersWords(string text, string? expected)
    {
        var words = WordPieceTrainer.Words(text).ToArray();
        // With all words as pieces, the tokenizer says how it splits.
        var tokenizer = new WordPieceTokenizer([.. WordPieceTrainer.Special, .. words.Distinct()]);
        var pieces = tokenizer.Encode(text, 1000).Select(id => tokenizer.Pieces[id]);
        Assert.AreEqual(string.Join('|', words), string.Join('|', pieces));
        if (expected is not null)
        {
            Assert.AreEqual(expected, string.Join('|', words));
        }
    }
}
