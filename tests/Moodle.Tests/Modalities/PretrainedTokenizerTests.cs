using System.Text.Json;
using Moodle.Modalities;
using Moodle.Tests.Support;

namespace Moodle.Tests.Modalities;

[TestClass]
public sealed class PretrainedTokenizerTests
{
    private static readonly string[] s_pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cafe", "caf", "##e", "中", "国", "!", ".", "un", "##able", "Ab", "<s>"];

    [TestMethod]
    [DataRow("Café unable!", new[] { 2, 5, 12, 13, 10, 3 })]
    [DataRow("cafe\u0301\u200b \tcafé.", new[] { 2, 5, 5, 11, 3 })]
    [DataRow("中国xyz", new[] { 2, 8, 9, 1, 3 })]
    [DataRow("", new[] { 2, 3 })]
    [DataRow("cafe cafe cafe cafe cafe cafe cafe cafe", new[] { 2, 5, 5, 5, 5, 5, 3 })]
    public void WordPieces_AreThoseOfBert(string text, int[] ids)
    {
        using var folder = TestData.NewFolder();
        File.WriteAllLines(folder["vocab.txt"], s_pieces[..^1]);
        CollectionAssert.AreEqual(ids, PretrainedTokenizer.Open(folder.Path).Encode(text, 7));
        // The same from the newer file.
        File.Delete(folder["vocab.txt"]);
        WriteJson(folder["tokenizer.json"], "WordPiece", true, s_pieces[..^1]);
        CollectionAssert.AreEqual(ids, PretrainedTokenizer.Open(folder.Path).Encode(text, 7));
    }

    [TestMethod]
    public void CaseAndSpecialTokens_FollowTheFiles()
    {
        using var folder = TestData.NewFolder();
        File.WriteAllLines(folder["vocab.txt"], [.. s_pieces, "</s>"]);
        // MPNet's tokens come before BERT's where both are there.
        CollectionAssert.AreEqual(new[] { 15, 5, 16 }, PretrainedTokenizer.Open(folder.Path).Encode("CAFE", 8));
        File.WriteAllText(folder["tokenizer_config.json"], """{"do_lower_case": false, "cls_token": "[CLS]", "sep_token": {"content": "[SEP]"}}""");
        CollectionAssert.AreEqual(new[] { 2, 14, 1, 3 }, PretrainedTokenizer.Open(folder.Path).Encode("Ab CAFE", 8));
    }

    [TestMethod]
    public void BytePairs_AreMergedInTheirOrder()
    {
        using var folder = TestData.NewFolder();
        string[] vocabulary = ["h", "e", "l", "o", "Ġ", "Ã", "©", "he", "ll", "hell", "hello", "Ġhello", "Ġh"];
        File.WriteAllText(folder["tokenizer.json"], JsonSerializer.Serialize(new
        {
            added_tokens = new object[] { new { id = 13, content = "[CLS]" }, new { id = 14, content = "[SEP]" } },
            normalizer = new { type = "NFC" },
            pre_tokenizer = new { type = "ByteLevel", add_prefix_space = false },
            model = new
            {
                type = "BPE",
                vocab = vocabulary.Select((piece, id) => (piece, id)).ToDictionary(pair => pair.piece, pair => pair.id),
                merges = new object[] { "h e", new[] { "l", "l" }, "he ll", "hell o", "Ġ hello" },
            },
        }));
        var tokenizer = PretrainedTokenizer.Open(folder.Path);
        Assert.AreEqual(15, tokenizer.Count);
        CollectionAssert.AreEqual(new[] { 13, 10, 11, 4, 5, 6, 14 }, tokenizer.Encode("hello hello é", 20));
        CollectionAssert.AreEqual(new[] { 13, 10, 14 }, tokenizer.Encode("hello hello é", 3));
    }

    [TestMethod]
    [DataRow("[PAD]\n[UNK]\n[CLS]\n[SEP]\n\nx", ":5: is empty")]
    [DataRow("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[UNK]", ":5: piece '[UNK]' stands there twice")]
    [DataRow("[UNK]\nx", "no special token '[CLS]'")]
    [DataRow("[CLS]\n[SEP]", "no special token '<unk>'")]
    public void DamagedVocabularies_AreSaid(string text, string expected)
    {
        using var folder = TestData.NewFolder();
        File.WriteAllText(folder["vocab.txt"], text);
        Assert.Contains(expected, Assert.ThrowsExactly<InputException>(() => PretrainedTokenizer.Open(folder.Path)).Message);
    }

    [TestMethod]
    public void RealVocabulary_GivesTheKnownIds()
    {
        var vocabulary = TestData.Require("encoders", "bert-base-uncased-vocab.txt");
        using var folder = TestData.NewFolder();
        File.Copy(vocabulary, folder["vocab.txt"]);
        var tokenizer = PretrainedTokenizer.Open(folder.Path);
        Assert.AreEqual(30522, tokenizer.Count);
        CollectionAssert.AreEqual(new[] { 101, 7592, 1010, 2088, 999, 102 }, tokenizer.Encode("Hello, World!", 20));
        CollectionAssert.AreEqual(new[] { 101, 15743, 7668, 102 }, tokenizer.Encode("naïve CAFÉ", 20));
    }

    [TestMethod]
    [DataRow("àéîõüç", "aeiouc")]
    [DataRow("ệǻ", "ea")]
    [DataRow("ёй", "еи")]
    [DataRow("が", "か")]
    [DataRow("\ud55c", "\u1112\u1161\u11ab")]
    [DataRow("ΐ", "ι")]
    [DataRow("øłß", "øłß")]
    public void Accents_ComeOff(string text, string bare) => Assert.AreEqual(bare, Accents.Strip(text));

    private static void WriteJson(string path, string type, bool lowercase, string[] pieces) => File.WriteAllText(path, JsonSerializer.Serialize(new
    {
        normalizer = new { type = "BertNormalizer", lowercase, strip_accents = (bool?)null },
        pre_tokenizer = new { type = "BertPreTokenizer" },
        model = new { type, unk_token = "[UNK]", continuing_subword_prefix = "##", max_input_chars_per_word = 100, vocab = pieces.Select((piece, id) => (piece, id)).ToDictionary(pair => pair.piece, pair => pair.id) },
    }));
}
